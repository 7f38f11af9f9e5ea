/** Whether a release that a trusted key signed is one to go to. */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import type { Artifact, ReleaseManifest } from "./manifest.ts";
import { isInRollout } from "./rollout.ts";
import { compareVersions } from "./version.ts";

/** How far the clocks of whoever signs and of this machine may be apart. */
const clockSkewMs = 600_000;

/** What this machine wants. */
export interface Wanted {
  readonly channel: string;
  /** The only version that is taken, also an older one. */
  readonly pin: string | null;
  readonly labels: readonly string[];
}

/** What this machine is. */
export interface Held {
  readonly version: string;
  readonly platform: string;
  /** Of the agent or edge; undefined when it cannot be told. */
  readonly id: string | undefined;
  /** `created` of the newest manifest that was ever taken here, in ms. */
  readonly newestCreatedMs: number | undefined;
}

/**
 * The file to take, or undefined when it is what runs already.
 * @throws PosternError `release_other_channel`, `release_expired`, `release_from_future`, `release_replayed`,
 * `release_not_pinned`, `release_downgrade`, `release_too_far`, `release_platform_missing`, `release_not_in_rollout`
 */
export function decideUpgrade(
  manifest: ReleaseManifest,
  wanted: Wanted,
  held: Held,
  nowMs: number,
): Artifact | undefined {
  const { version } = manifest;
  const createdMs = Date.parse(manifest.created);
  const isPinned = wanted.pin !== null;
  if (manifest.channel !== wanted.channel) {
    throw refused(
      "release_other_channel",
      version,
      `it is of channel ${manifest.channel}, not ${wanted.channel}`,
    );
  }
  // Not `>`: a time that is no number is refused.
  if (!(nowMs < Date.parse(manifest.expires))) {
    throw refused("release_expired", version, `its manifest expired at ${manifest.expires}`);
  }
  if (!(createdMs <= nowMs + clockSkewMs)) {
    throw refused(
      "release_from_future",
      version,
      `its manifest was made at ${manifest.created}, and it is not so late`,
    );
  }
  if (isPinned && wanted.pin !== version) {
    throw refused("release_not_pinned", version, `this machine is pinned to ${wanted.pin}`);
  }
  if (!isPinned && held.newestCreatedMs !== undefined && createdMs < held.newestCreatedMs) {
    throw refused("release_replayed", version, "its manifest is older than one that was taken before");
  }
  const order = compareVersions(version, held.version);
  if (order === 0) return undefined;
  if (order < 0 && !isPinned) {
    throw refused("release_downgrade", version, `${held.version} runs here, which is newer`);
  }
  if (compareVersions(held.version, manifest.minimum_previous) < 0) {
    throw refused(
      "release_too_far",
      version,
      `${held.version} runs here, and it takes ${manifest.minimum_previous} at least`,
    );
  }
  const artifact = Object.hasOwn(manifest.platforms, held.platform)
    ? manifest.platforms[held.platform]
    : undefined;
  if (artifact === undefined) {
    throw refused("release_platform_missing", version, `it has no file for ${held.platform}`);
  }
  if (!isPinned && !isInRollout(manifest, held.id, wanted.labels)) {
    throw refused("release_not_in_rollout", version, "it is not yet for this machine");
  }
  return artifact;
}

function refused(code: ErrorCode, version: string, state: string): PosternError {
  return new PosternError(code, `Cannot take release ${version}: ${state}`, { detail: { version } });
}
