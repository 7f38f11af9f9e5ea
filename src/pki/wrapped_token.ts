/**
 * Enrollment tokens that only one host opens: sealed by HPKE to a key that the host made beforehand.
 *
 * ```
 * host key        host.<base64url( X25519 public key 32 | first 4 bytes of SHA-256("postern host key v1" 00 key) )>
 * wrapped token   wrapped.<base64url( first 8 bytes of SHA-256 of the public key | enc 32 | ciphertext and tag )>
 * HPKE            base mode; info "postern enrollment token v1", aad the 8 bytes
 * ```
 * The check bytes find a mistyped key before a token is sealed that nobody can open.
 */
import { createHash } from "node:crypto";
import { concat, equalConstantTime, fromBase64Url, toBase64Url, utf8, utf8Decode } from "../bytes/mod.ts";
import { hpkeOpen, hpkeSeal, type X25519KeyPair } from "../crypto/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";

const keyBytes = 32;
const checkBytes = 4;
const fingerprintBytes = 8;
const tagBytes = 16;
const info = utf8("postern enrollment token v1");
/** Longest text of a wrapped token (characters): tokens have 123 bytes at most. */
export const maxWrappedTokenChars = 512;
const prefix = "wrapped.";

/** The text of a host's public key, as operators pass it on. It is no secret. */
export function formatHostKey(publicKey: Uint8Array): string {
  return `host.${toBase64Url(concat(publicKey, checkOf(publicKey)))}`;
}

/** Throws `host_key_malformed`. */
export function parseHostKey(text: string): Uint8Array<ArrayBuffer> {
  const match = /^host\.([A-Za-z0-9_-]{48})$/.exec(text);
  const bytes = match === null ? undefined : fromBase64Url(match[1]);
  const key = bytes?.slice(0, keyBytes);
  if (
    bytes === undefined || key === undefined || !equalConstantTime(bytes.subarray(keyBytes), checkOf(key))
  ) {
    throw new PosternError("host_key_malformed", "Cannot wrap token: this is no public key of a host");
  }
  return key;
}

/** @param publicKey as {@link parseHostKey} gives it. Throws `host_key_malformed` for a key of low order. */
export function wrapToken(token: string, publicKey: Uint8Array, random: Random): string {
  const aad = fingerprintOf(publicKey);
  try {
    const { enc, ciphertext } = hpkeSeal(publicKey, { info, aad, plaintext: utf8(token) }, random);
    return `${prefix}${toBase64Url(concat(aad, enc, ciphertext))}`;
  } catch (cause) {
    throw new PosternError("host_key_malformed", "Cannot wrap token: the host's public key is not usable", {
      cause,
    });
  }
}

export function isWrappedToken(text: string): boolean {
  return text.startsWith(prefix);
}

/** Throws `wrapped_token_foreign` for another host's, `wrapped_token_damaged`. */
export function unwrapToken(text: string, keys: X25519KeyPair): string {
  const bytes = bytesOf(text);
  const aad = bytes.subarray(0, fingerprintBytes);
  if (!equalConstantTime(aad, fingerprintOf(keys.publicKey))) {
    throw new PosternError(
      "wrapped_token_foreign",
      "Cannot open token: it is wrapped for another host's key",
    );
  }
  const enc = bytes.subarray(fingerprintBytes, fingerprintBytes + keyBytes);
  const ciphertext = bytes.subarray(fingerprintBytes + keyBytes);
  try {
    const token = hpkeOpen(keys, { enc, ciphertext }, { info, aad });
    if (token !== null) return utf8Decode(token);
  } catch (cause) {
    throw damaged(cause);
  }
  throw damaged();
}

function bytesOf(text: string): Uint8Array {
  let bytes;
  try {
    if (text.length <= maxWrappedTokenChars) bytes = fromBase64Url(text.slice(prefix.length));
  } catch (cause) {
    throw damaged(cause);
  }
  if (bytes === undefined || bytes.length <= fingerprintBytes + keyBytes + tagBytes) throw damaged();
  return bytes;
}

function damaged(cause?: unknown): PosternError {
  return new PosternError("wrapped_token_damaged", "Cannot open token: its text is not as it was written", {
    cause,
  });
}

function checkOf(key: Uint8Array): Uint8Array {
  return sha256(concat(utf8("postern host key v1"), Uint8Array.of(0), key)).subarray(0, checkBytes);
}

function fingerprintOf(key: Uint8Array): Uint8Array {
  return sha256(key).subarray(0, fingerprintBytes);
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
