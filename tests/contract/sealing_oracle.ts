/** What sealing cores are judged by: @noble/ciphers, and what puts records into their memory. */
import assert from "node:assert/strict";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { ErrorCode } from "../../src/errors/mod.ts";
import type { SealingCore } from "../../src/ports/mod.ts";

/** Makes a core of its own; `firstNonce` is the counter of the first nonce of each imported key. */
export type MakeCore = (options?: { firstNonce?: number }) => SealingCore;

export const TAG_BYTES = 16;
export const NONCE_LIMIT = 2 ** 48;

/** Asserts that `body` throws a PosternError with this code. */
export function assertCode(code: ErrorCode, body: () => void): void {
  assert.throws(body, { name: "PosternError", code });
}

/** Deterministic, not repeating bytes (a 32-bit xorshift). */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 0x9e3779b9) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

export function oracleNonce(counter: number | bigint): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  return nonce;
}

export function oracleSeal(
  key: Uint8Array,
  counter: number | bigint,
  ad: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  return new Uint8Array(chacha20poly1305(key, oracleNonce(counter), ad).encrypt(plain));
}

export function rekeyOracle(key: Uint8Array): Uint8Array {
  return oracleSeal(key, 2n ** 64n - 1n, new Uint8Array(), new Uint8Array(32)).slice(0, 32);
}

/** Seals at the start of the arena (associated data, then payload) and returns ciphertext and tag. */
export function sealAt(
  core: SealingCore,
  handle: number,
  ad: Uint8Array,
  plain: Uint8Array,
  shift = 0,
): Uint8Array {
  const adOffset = core.arena.offset + shift;
  const offset = adOffset + ad.length;
  core.memory.set(ad, adOffset);
  core.memory.set(plain, offset);
  core.seal(handle, adOffset, ad.length, offset, plain.length);
  return core.memory.slice(offset, offset + plain.length + TAG_BYTES);
}

/** Opens at the start of the arena; undefined when refused. */
export function openAt(
  core: SealingCore,
  handle: number,
  ad: Uint8Array,
  sealed: Uint8Array,
  shift = 0,
): Uint8Array | undefined {
  const adOffset = core.arena.offset + shift;
  const offset = adOffset + ad.length;
  const bytes = sealed.length - TAG_BYTES;
  core.memory.set(ad, adOffset);
  core.memory.set(sealed, offset);
  if (!core.open(handle, adOffset, ad.length, offset, bytes)) return undefined;
  return core.memory.slice(offset, offset + bytes);
}

/** Quick comparison: deepEqual of 64 KiB arrays takes long. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
