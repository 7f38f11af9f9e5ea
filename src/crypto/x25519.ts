/** X25519 (RFC 7748) over node:crypto: synchronous, and raw keys in and out. */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { PosternError } from "../errors/mod.ts";

/** Bytes of a private key, a public key and a shared secret. */
export const X25519_KEY_BYTES = 32;

/** RFC 8410 7: PrivateKeyInfo up to the raw key. DER and not JWK, because a buffer can be wiped and a string cannot. */
const PKCS8_PREFIX = Uint8Array.fromHex("302e020100300506032b656e04220420");
/** RFC 8410 4: SubjectPublicKeyInfo up to the raw key. */
const SPKI_PREFIX = Uint8Array.fromHex("302a300506032b656e032100");

/** The public key of a raw 32-byte private key. */
export function x25519PublicKey(privateKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const der = createPublicKey(importPrivateKey(privateKey)).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(SPKI_PREFIX.length));
}

/**
 * The 32-byte shared secret of a raw private key and a raw public key.
 * Throws `noise_bad_public_key` for a wrong length and for points of low order, whose secret is all zero (RFC 7748 6.1).
 */
export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  if (publicKey.length !== X25519_KEY_BYTES) throw badPublicKey("it has the wrong length");
  let secret: Buffer;
  try {
    secret = diffieHellman({
      privateKey: importPrivateKey(privateKey),
      publicKey: importPublicKey(publicKey),
    });
  } catch (cause) {
    // OpenSSL refuses an all-zero secret by itself: with keys of the right length nothing else fails here.
    throw badPublicKey("it has a low order", cause);
  }
  // A runtime whose backend does not refuse must not weaken the handshake.
  let bits = 0;
  for (const byte of secret) bits |= byte;
  if (bits === 0) throw badPublicKey("it has a low order");
  const out = new Uint8Array(secret);
  secret.fill(0);
  return out;
}

function importPrivateKey(raw: Uint8Array): KeyObject {
  const der = Buffer.alloc(PKCS8_PREFIX.length + X25519_KEY_BYTES);
  der.set(PKCS8_PREFIX);
  der.set(raw, PKCS8_PREFIX.length);
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}

function importPublicKey(raw: Uint8Array): KeyObject {
  const der = Buffer.alloc(SPKI_PREFIX.length + X25519_KEY_BYTES);
  der.set(SPKI_PREFIX);
  der.set(raw, SPKI_PREFIX.length);
  return createPublicKey({ key: der, format: "der", type: "spki" });
}

function badPublicKey(state: string, cause?: unknown): PosternError {
  return new PosternError("noise_bad_public_key", `Cannot use the X25519 public key: ${state}`, { cause });
}
