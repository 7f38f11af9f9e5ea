import { createHash } from "node:crypto";
import { type AgentConfig, type EdgeConfig, formatAddress } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import {
  type Artifact,
  decideUpgrade,
  maxManifestBytes,
  openManifest,
  readReleaseKeys,
  type ReleaseKey,
  releaseKeyOf,
  type ReleaseManifest,
} from "../../src/release/mod.ts";
import type { Call } from "../command.ts";
import { loadAgent, loadEdge, readBoundedFile } from "../load.ts";
import { applyUpgrade, recoverUpgrade, type Service } from "../upgrade/apply.ts";
import { ProgramFiles, type UpgradeRecord } from "../upgrade/program_files.ts";
import { checkMayStart, runCommand, statusAt, versionOf } from "../upgrade/running.ts";
import { besideOf, openSource, readSource, releaseClient, sourceOf } from "../upgrade/source.ts";

const actions = ["check", "apply", "rollback", "recover"] as const;
type Action = typeof actions[number];

/** A release as this machine sees it. */
interface Found {
  readonly manifest: ReleaseManifest;
  /** Undefined when it runs already. */
  readonly artifact: Artifact | undefined;
  readonly from: string;
  readonly source: URL;
  readonly learned: Pick<UpgradeRecord, "newest_created_ms" | "trust">;
}

/** `postern upgrade [ROLE] --check|--apply|--rollback|--recover`. */
export async function runUpgrade(call: Call): Promise<number> {
  const action = actionOf(call);
  const { config } = call.arguments[0] === "edge" ? await loadEdge(call) : await loadAgent(call);
  const path = call.values.program ?? call.env.POSTERN_PROGRAM;
  if (path === undefined || path === "") {
    throw new PosternError("upgrade_program_unknown", "Cannot upgrade: Postern runs from its sources here");
  }
  if (action === "check") {
    await checkMayStart();
    const files = await ProgramFiles.at(path);
    using client = await releaseClient(config.upgrade.caFile);
    const { manifest, artifact, from } = await look(call, config, files, client);
    tell(call, artifact === undefined ? "current" : "available", from, manifest.version);
    return 0;
  }
  using files = await ProgramFiles.lock(path);
  if (action === "recover") {
    const isReplaced = await recoverUpgrade(files);
    call.terminal.err(
      isReplaced ? "an interrupted upgrade was taken back\n" : "no interrupted upgrade is in place\n",
    );
    return 0;
  }
  await checkMayStart();
  if (action === "rollback") return await goBack(call, config, files);
  // Before the version is asked: what an interrupted upgrade left is not what ran here.
  await recoverUpgrade(files);
  using client = await releaseClient(config.upgrade.caFile);
  const found = await look(call, config, files, client);
  const { manifest, artifact, from, learned } = found;
  if (artifact === undefined) {
    const record = await files.record();
    const sha256 = record?.sha256 ?? "";
    await files.write({ state: "settled", from: record?.from ?? from, version: from, sha256, ...learned });
    tell(call, "current", from, manifest.version);
    return 0;
  }
  const service = serviceOf(config);
  const failed = (await files.record())?.failed;
  if (failed === artifact.sha256 && !call.switches.has("force")) {
    throw new PosternError(
      "upgrade_failed_before",
      `Cannot upgrade to ${manifest.version}: it did not become ready here before`,
    );
  }
  let shown = 0;
  const parts = openSource(besideOf(found.source, artifact.file), client);
  await applyUpgrade(files, { manifest, artifact, from, parts, learned }, service, {
    step: (step) => call.terminal.err(`${step}\n`),
    progress: (bytes, size) => {
      const tenths = Math.floor(bytes * 10 / size);
      if (tenths > shown) call.terminal.err(`fetched ${megabytes(bytes)} of ${megabytes(size)}\n`);
      shown = tenths;
    },
  });
  tell(call, "upgraded", from, manifest.version);
  return 0;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function actionOf(call: Call): Action {
  const given = actions.filter((name) => call.switches.has(name));
  if (given.length === 1) return given[0];
  throw new PosternError(
    "cli_argument_missing",
    "Cannot run postern upgrade: one of --check, --apply, --rollback and --recover is needed",
    { detail: { command: "upgrade" } },
  );
}

/** Fetches, verifies and judges the manifest; nothing is changed. */
async function look(
  call: Call,
  config: AgentConfig | EdgeConfig,
  files: ProgramFiles,
  client: Deno.HttpClient | undefined,
): Promise<Found> {
  const { upgrade, adminListen } = config;
  const [from, keyFile] = [
    call.values.manifest ?? upgrade.manifestUrl,
    call.values["key-file"] ?? upgrade.keyFile,
  ];
  if (from === null || keyFile === null) {
    throw new PosternError("upgrade_not_configured", "Cannot upgrade: no manifest or no key is named");
  }
  const pinned = readReleaseKeys(await readBoundedFile(keyFile));
  const pinnedHash = createHash("sha256").update(pinned.map(({ text }) => text).sort().join()).digest("hex");
  const record = await files.record();
  // Another key file is the operator's word: it ends what releases said before.
  const known = record?.trust?.pinned === pinnedHash ? record.trust : undefined;
  const keys: readonly ReleaseKey[] = known?.keys.map(releaseKeyOf) ?? pinned;
  const source = sourceOf(from);
  const manifest = openManifest(await readSource(source, maxManifestBytes, client), keys);
  const version = await versionOf(files.program);
  const id = adminListen === null ? undefined : (await statusAt(formatAddress(adminListen)))?.id;
  const artifact = decideUpgrade(manifest, upgrade, {
    version,
    platform: Deno.build.target,
    id,
    newestCreatedMs: record?.newest_created_ms,
  }, Date.now());
  const trust = manifest.next_keys === undefined ? known : { pinned: pinnedHash, keys: manifest.next_keys };
  const newest = Math.max(Date.parse(manifest.created), record?.newest_created_ms ?? 0);
  return { manifest, artifact, from: version, source, learned: { newest_created_ms: newest, trust } };
}

async function goBack(call: Call, config: AgentConfig | EdgeConfig, files: ProgramFiles): Promise<number> {
  const service = serviceOf(config);
  const version = await versionOf(files.program);
  await files.restorePrevious();
  const restored = await versionOf(files.program);
  const record = await files.record();
  if (record !== undefined) {
    // Or the next run by a timer would go forward again.
    await files.write({ ...record, state: "rolled_back", failed: record.sha256 });
  }
  if (!await runCommand(service.restart)) {
    throw new PosternError(
      "upgrade_rollback_unready",
      `Cannot restart: ${restored} is in place, and the command for it failed`,
    );
  }
  tell(call, "rolled_back", version, restored);
  return 0;
}

/** Throws `upgrade_restart_missing`. */
function serviceOf({ upgrade, adminListen }: AgentConfig | EdgeConfig): Service {
  if (upgrade.restart === null || adminListen === null) {
    throw new PosternError(
      "upgrade_restart_missing",
      "Cannot upgrade: it takes upgrade.restart, and an admin_listen to ask whether the service is ready",
    );
  }
  return {
    restart: upgrade.restart,
    admin: formatAddress(adminListen),
    readyTimeoutMs: upgrade.readyTimeoutMs,
  };
}

function tell(
  call: Call,
  state: "current" | "available" | "upgraded" | "rolled_back",
  from: string,
  version: string,
): void {
  const texts = {
    current: `${from} is current`,
    available: `${version} is available; ${from} is in place`,
    upgraded: `${version} runs; it was ${from}`,
    rolled_back: `${version} is in place again; it was ${from}`,
  };
  call.terminal.out(
    call.switches.has("json") ? `${JSON.stringify({ state, from, version })}\n` : `${texts[state]}\n`,
  );
}
