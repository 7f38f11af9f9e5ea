/** What a handshake is given, checked against what its pattern uses. */
import { PosternError } from "../../errors/mod.ts";
import { type HandshakePattern, needsLocalStatic, needsRemoteStatic } from "./patterns.ts";
import { CIPHER_KEY_BYTES, type NoiseDh, type NoiseKeyPair } from "./suite.ts";

/** Keys as the caller passes them. */
export interface KeyMaterial {
  readonly s?: NoiseKeyPair;
  readonly rs?: Uint8Array;
  readonly psks?: readonly Uint8Array[];
}

/** Copies that the handshake owns, and may wipe. */
export interface OwnedKeyMaterial {
  readonly s: NoiseKeyPair | null;
  readonly rs: Uint8Array | null;
  readonly psks: readonly Uint8Array[];
}

/**
 * Copies of the keys. Throws `noise_key_missing`, `noise_psk_missing`, `noise_key_unexpected`, `noise_key_malformed`,
 * and `noise_bad_public_key`.
 *
 * A key that the pattern does not use is refused: a caller that passes the expected remote key to XX, say, would
 * believe in a check that nobody makes.
 */
export function takeKeyMaterial(
  given: KeyMaterial,
  pattern: HandshakePattern,
  initiator: boolean,
  dh: NoiseDh,
): OwnedKeyMaterial {
  const side = `${pattern.name} ${initiator ? "initiator" : "responder"}`;
  demand(given.s !== undefined, needsLocalStatic(pattern, initiator), side, "a local static key pair");
  demand(given.rs !== undefined, needsRemoteStatic(pattern, initiator), side, "a remote static key");
  const psks = given.psks ?? [];
  if (psks.length < pattern.psks) {
    throw new PosternError("noise_psk_missing", `Cannot start the ${side}: a pre-shared key is missing`, {
      detail: { given: psks.length, needed: pattern.psks },
    });
  }
  if (psks.length > pattern.psks) throw unexpected(side, "a pre-shared key");
  for (const psk of psks) checkLength(psk, CIPHER_KEY_BYTES, side, "pre-shared key");
  if (given.s !== undefined) {
    checkLength(given.s.privateKey, dh.privateKeyBytes, side, "static private key");
    checkLength(given.s.publicKey, dh.publicKeyBytes, side, "static public key");
  }
  if (given.rs !== undefined && given.rs.length !== dh.publicKeyBytes) {
    throw new PosternError(
      "noise_bad_public_key",
      `Cannot start the ${side}: the remote static key has the wrong length`,
      {
        detail: { bytes: given.rs.length, expectedBytes: dh.publicKeyBytes },
      },
    );
  }
  return {
    s: given.s === undefined
      ? null
      : { publicKey: given.s.publicKey.slice(), privateKey: given.s.privateKey.slice() },
    rs: given.rs?.slice() ?? null,
    psks: psks.map((psk) => psk.slice()),
  };
}

function demand(given: boolean, needed: boolean, side: string, thing: string): void {
  if (needed && !given) {
    throw new PosternError("noise_key_missing", `Cannot start the ${side}: it needs ${thing}`);
  }
  if (given && !needed) throw unexpected(side, thing);
}

function unexpected(side: string, thing: string): PosternError {
  return new PosternError("noise_key_unexpected", `Cannot start the ${side}: it does not use ${thing}`);
}

function checkLength(key: Uint8Array, bytes: number, side: string, thing: string): void {
  if (key.length === bytes) return;
  throw new PosternError(
    "noise_key_malformed",
    `Cannot start the ${side}: the ${thing} has the wrong length`,
    {
      detail: { bytes: key.length, expectedBytes: bytes },
    },
  );
}
