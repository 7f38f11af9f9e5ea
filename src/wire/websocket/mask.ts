import type { Random } from "../../ports/mod.ts";
import { MASK_KEY_BYTES, readMaskKey } from "./opcode.ts";

/**
 * XORs `buffer[start, end)` with the four bytes of `key`, lowest bits first (RFC 6455 5.3). Its own inverse.
 * The sealing core offers the same for its own memory.
 */
export type Mask = (buffer: Uint8Array, start: number, end: number, key: number) => void;

/** Below this, setting up words costs more than it saves. */
const MIN_WORDWISE_BYTES = 32;

/**
 * A {@link Mask} that works by 32-bit words. The view of the last buffer is kept, so that masking in one and the
 * same buffer allocates nothing; make one per framing. Assumes a little-endian machine, as every Deno target is.
 */
export function createMask(): Mask {
  let words = new Uint32Array(0);
  return (buffer, start, end, key) => {
    if (end - start < MIN_WORDWISE_BYTES) return maskBytes(buffer, start, end, key);
    if (words.buffer !== buffer.buffer || words.length === 0) {
      words = new Uint32Array(buffer.buffer as ArrayBuffer, 0, buffer.buffer.byteLength >>> 2);
    }
    const base = buffer.byteOffset;
    const aligned = start + (-(base + start) & 3);
    maskBytes(buffer, start, aligned, key);
    // The key as it looks from the first aligned byte on: turned by the bytes that came before it.
    const turn = 8 * (aligned - start);
    const word = turn === 0 ? key : (key >>> turn | key << (32 - turn)) >>> 0;
    const last = (base + end) >>> 2;
    for (let i = (base + aligned) >>> 2; i < last; i++) words[i] ^= word;
    maskBytes(buffer, last * 4 - base, end, word);
  };
}

/** The definition of RFC 6455 5.3, byte by byte. */
function maskBytes(buffer: Uint8Array, start: number, end: number, key: number): void {
  for (let i = start, shift = 0; i < end; i++, shift = (shift + 8) & 31) buffer[i] ^= key >>> shift;
}

/** Bytes that are drawn at once: keys for 1024 messages. */
const MASK_POOL_BYTES = 4096;

/** Mask keys that nobody can foresee (RFC 6455 10.3), each given out once. Random bytes are drawn in bulk. */
export class MaskKeys {
  #random: Random;
  #pool: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): number {
    if (this.#at === this.#pool.length) {
      this.#pool = this.#random(MASK_POOL_BYTES);
      this.#at = 0;
    }
    const key = readMaskKey(this.#pool, this.#at);
    this.#at += MASK_KEY_BYTES;
    return key;
  }
}
