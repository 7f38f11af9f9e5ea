/** Releases: what a signed manifest says, whose word it is, and whether it is for this machine. Pure. */
export { decideUpgrade, type Held, type Wanted } from "./decision.ts";
export { publicKeyBytes, readReleaseKeys, type ReleaseKey, releaseKeyId, releaseKeyOf } from "./keys.ts";
export {
  type Artifact,
  canonicalJson,
  maxManifestBytes,
  openManifest,
  type ReleaseManifest,
  signManifest,
} from "./manifest.ts";
export { isInRollout, rolloutPlace } from "./rollout.ts";
export { compareVersions, isVersion } from "./version.ts";
