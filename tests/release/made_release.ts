/** Keys and manifests as a publisher makes them. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  publicKeyBytes,
  readReleaseKeys,
  type ReleaseKey,
  releaseKeyId,
  type ReleaseManifest,
} from "../../src/release/mod.ts";

export interface MadeKey {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly privatePem: string;
  readonly publicPem: string;
  readonly trusted: ReleaseKey;
}

export function makeKey(): MadeKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const publicPem = `${publicKey.export({ type: "spki", format: "pem" })}`;
  return {
    id: releaseKeyId(publicKeyBytes(publicKey)),
    privateKey,
    privatePem: `${privateKey.export({ type: "pkcs8", format: "pem" })}`,
    publicPem,
    trusted: readReleaseKeys(publicPem)[0],
  };
}

export const createdMs = Date.parse("2026-03-01T00:00:00Z");

/** Version 1.1.0 for everybody, for the platform `here`, for thirty days. */
export function makeManifest(changes: Partial<ReleaseManifest> = {}): ReleaseManifest {
  return {
    format: 1,
    channel: "stable",
    version: "1.1.0",
    minimum_previous: "0.9.0",
    created: new Date(createdMs).toISOString(),
    expires: new Date(createdMs + 30 * 86_400_000).toISOString(),
    rollout: { percent: 100, labels: [] },
    platforms: { here: { file: "postern-1.1.0", size: 10, sha256: "ab".repeat(32) } },
    ...changes,
  };
}
