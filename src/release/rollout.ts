/** Who gets a release early: the same machines whenever asked, and never fewer when the percentage grows. */
import { createHash } from "node:crypto";
import type { ReleaseManifest } from "./manifest.ts";

/** Places of the order in which machines get a release. */
const places = 10_000;

/** Where a machine stands in the order for this version, from 0 to 99.99: another order for each version. */
export function rolloutPlace(
  id: string,
  { channel, version }: Pick<ReleaseManifest, "channel" | "version">,
): number {
  const hash = createHash("sha256").update(`postern rollout v1\0${channel}\0${version}\0${id}`).digest();
  // 48 bits: their remainder is even to one part in 10^10.
  return hash.readUIntBE(0, 6) % places / (places / 100);
}

/** @param id undefined where it is not known: only a release for everybody is for such a machine */
export function isInRollout(
  manifest: Pick<ReleaseManifest, "channel" | "version" | "rollout">,
  id: string | undefined,
  labels: readonly string[],
): boolean {
  const { percent, labels: wanted } = manifest.rollout;
  if (wanted.length > 0 && !wanted.some((label) => labels.includes(label))) return false;
  return percent === 100 || (id !== undefined && rolloutPlace(id, manifest) < percent);
}
