/** The steps of an upgrade. Whenever the process ends between two of them, the program is a whole one that runs. */
import { PosternError } from "../../src/errors/mod.ts";
import type { Artifact, ReleaseManifest } from "../../src/release/mod.ts";
import type { ProgramFiles, UpgradeRecord } from "./program_files.ts";
import { becomesReady, runCommand, versionOf } from "./running.ts";

export type UpgradeStep =
  | "staged"
  | "tried"
  | "recorded"
  | "kept"
  | "placed"
  | "restarted"
  | "ready"
  | "settled";

/** How the service is restarted and asked. */
export interface Service {
  readonly restart: string;
  /** HOST:PORT of its admin listener. */
  readonly admin: string;
  readonly readyTimeoutMs: number;
}

export interface Upgrade {
  readonly manifest: ReleaseManifest;
  readonly artifact: Artifact;
  /** Version of the program that is in place. */
  readonly from: string;
  readonly parts: AsyncIterable<Uint8Array>;
  /** What to remember once the new version is ready. */
  readonly learned: Pick<UpgradeRecord, "newest_created_ms" | "trust">;
}

export interface Watcher {
  readonly step: (step: UpgradeStep) => void;
  readonly progress: (bytes: number, size: number) => void;
}

/**
 * Takes the release, or leaves the program as it was.
 * @throws PosternError what {@link ProgramFiles.stage} throws, `upgrade_program_unusable`, `upgrade_rolled_back`,
 * `upgrade_rollback_unready`
 */
export async function applyUpgrade(
  files: ProgramFiles,
  { manifest, artifact, from, parts, learned }: Upgrade,
  service: Service,
  watcher: Watcher,
): Promise<void> {
  const before = await files.record();
  await files.stage(parts, artifact, (bytes) => watcher.progress(bytes, artifact.size));
  watcher.step("staged");
  try {
    await trial(files.staged, manifest.version);
    watcher.step("tried");
    await files.write({
      ...before,
      state: "trial",
      from,
      version: manifest.version,
      sha256: artifact.sha256,
    });
    watcher.step("recorded");
    await files.keepPrevious();
    watcher.step("kept");
    await files.place();
  } catch (error) {
    await files.discard();
    throw error;
  }
  watcher.step("placed");
  const isStarted = await runCommand(service.restart);
  watcher.step("restarted");
  if (!isStarted || !await becomesReady(service.admin, manifest.version, service.readyTimeoutMs)) {
    await takeBack(files, { ...before, from, version: manifest.version, sha256: artifact.sha256 }, service);
  }
  watcher.step("ready");
  await files.write({
    state: "settled",
    from,
    version: manifest.version,
    sha256: artifact.sha256,
    ...learned,
  });
  watcher.step("settled");
}

/** A file for another machine, or one that is mislabelled, is found before anything is replaced. */
async function trial(program: string, version: string): Promise<void> {
  const told = await versionOf(program);
  if (told === version) return;
  throw new PosternError(
    "upgrade_program_unusable",
    `Cannot use ${program}: it says that it is ${told}, and the manifest says ${version}`,
  );
}

/** The least time for the version that was known to be ready: there is nothing to go back to from it. */
const previousReadyMs = 60_000;

async function takeBack(
  files: ProgramFiles,
  record: Omit<UpgradeRecord, "state" | "failed">,
  service: Service,
): Promise<never> {
  await files.restorePrevious();
  // Without room for it the service is restarted all the same; the record then says that a trial was not ended.
  await files.write({ ...record, state: "rolled_back", failed: record.sha256 }).catch(() => {});
  const isReady = await runCommand(service.restart) &&
    await becomesReady(service.admin, record.from, Math.max(service.readyTimeoutMs, previousReadyMs));
  throw isReady
    ? new PosternError(
      "upgrade_rolled_back",
      `Cannot upgrade to ${record.version}: it did not become ready; ${record.from} runs again`,
    )
    : new PosternError(
      "upgrade_rollback_unready",
      `Cannot upgrade to ${record.version}: it did not become ready; ${record.from} is in place and is not ready either`,
    );
}

/**
 * Clears up after an upgrade whose process ended too early: what was not known to be ready is taken back. It is not
 * held against the release, which may be tried again.
 * @returns whether the program was replaced
 */
export async function recoverUpgrade(files: ProgramFiles): Promise<boolean> {
  await files.discard();
  const record = await files.record();
  if (record?.state !== "trial") return false;
  const isPlaced = await files.isInPlace(record.sha256);
  if (isPlaced) await files.restorePrevious();
  await files.write({ ...record, state: "rolled_back" });
  return isPlaced;
}
