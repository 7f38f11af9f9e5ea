import { PosternError } from "../src/errors/mod.ts";
import { failureOf, outOfBounds, wrongLength } from "./failure.ts";
import { type CoreExports, instantiate, STATUS } from "./instance.ts";
import {
  ARENA_BYTES,
  ARENA_OFFSET,
  KEY_BYTES,
  NONCE_BYTES,
  STAGED_KEY,
  STAGED_NONCE,
  TAG_BYTES,
} from "./layout.ts";

let shared: { wasm: CoreExports; memory: Uint8Array<ArrayBuffer> } | undefined;

/**
 * ChaCha20-Poly1305 (RFC 8439) of one message: ciphertext and 16-byte tag in a new array.
 * The caller answers for never using a nonce twice under a key.
 * Throws `key_length_invalid` (key 32 bytes, nonce 12), `core_bounds` above about 62 MiB.
 */
export function seal(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array<ArrayBuffer> {
  checkLengths("seal", key, nonce, ad, plaintext.length);
  const { wasm, memory } = stage(key, nonce, ad, plaintext);
  const offset = ARENA_OFFSET + ad.length;
  const status = wasm.sealOnce(ARENA_OFFSET, ad.length, offset, plaintext.length);
  if (status !== STATUS.done) throw failureOf(status, "seal", offset, plaintext.length);
  return memory.slice(offset, offset + plaintext.length + TAG_BYTES);
}

/**
 * Opens what {@link seal} gave: the plaintext in a new array.
 * Throws `aead_tag_mismatch` when the tag does not hold or is missing, `key_length_invalid`, `core_bounds`.
 */
export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = sealed.length - TAG_BYTES;
  checkLengths("open", key, nonce, ad, Math.max(bytes, 0));
  if (bytes < 0) throw new PosternError("aead_tag_mismatch", "Cannot open sealed bytes: there is no tag");
  const { wasm, memory } = stage(key, nonce, ad, sealed);
  const offset = ARENA_OFFSET + ad.length;
  const status = wasm.openOnce(ARENA_OFFSET, ad.length, offset, bytes);
  if (status !== STATUS.done) throw failureOf(status, "open", offset, bytes);
  const plaintext = memory.slice(offset, offset + bytes);
  memory.fill(0, offset, offset + bytes);
  return plaintext;
}

function checkLengths(act: string, key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, bytes: number): void {
  if (key.length !== KEY_BYTES) throw wrongLength("key", key.length, KEY_BYTES);
  if (nonce.length !== NONCE_BYTES) throw wrongLength("nonce", nonce.length, NONCE_BYTES);
  if (ad.length + bytes + TAG_BYTES > ARENA_BYTES) throw outOfBounds(act, ad.length, bytes);
}

/** Associated data at the arena's start, the message right behind, key and nonce for the core to take. */
function stage(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, message: Uint8Array) {
  if (shared === undefined) {
    const wasm = instantiate();
    shared = { wasm, memory: new Uint8Array(wasm.memory.buffer as ArrayBuffer) };
  }
  const { memory } = shared;
  memory.set(key, STAGED_KEY);
  memory.set(nonce, STAGED_NONCE);
  memory.set(ad, ARENA_OFFSET);
  memory.set(message, ARENA_OFFSET + ad.length);
  return shared;
}
