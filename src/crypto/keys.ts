/** Static X25519 keys: what identifies a node in a handshake. */
import { PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";
import { X25519_KEY_BYTES, x25519PublicKey } from "./x25519.ts";

/** An X25519 key pair as raw bytes (RFC 7748): 32 bytes each. `privateKey` is secret. */
export interface X25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/**
 * A fresh key pair from 32 random bytes.
 * Throws `noise_key_malformed` when `random` returns another number of bytes.
 */
export function generateX25519KeyPair(random: Random): X25519KeyPair {
  const seed = random(X25519_KEY_BYTES);
  try {
    return x25519KeyPair(seed);
  } finally {
    seed.fill(0);
  }
}

/** The key pair of a raw 32-byte private key, which is copied. Throws `noise_key_malformed` for other lengths. */
export function x25519KeyPair(privateKey: Uint8Array): X25519KeyPair {
  if (privateKey.length !== X25519_KEY_BYTES) {
    throw new PosternError(
      "noise_key_malformed",
      "Cannot use the X25519 private key: it has the wrong length",
      {
        detail: { bytes: privateKey.length, expectedBytes: X25519_KEY_BYTES },
      },
    );
  }
  return { publicKey: x25519PublicKey(privateKey), privateKey: privateKey.slice() };
}
