/**
 * Slow twin of the sealing core: ChaCha20-Poly1305 of node:crypto on a plain ArrayBuffer.
 * Same contract as `wasm/` (tests/contract/sealing_core.ts); for tests and comparisons only.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { PosternError } from "../../src/errors/mod.ts";
import type { KeyHandle, SealingCore } from "../../src/ports/mod.ts";

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const KEY_SLOTS = 16384;
/** First counter value that is refused. */
const NONCE_LIMIT = 2 ** 48;

export interface ReferenceCoreOptions {
  /** Counter of the first nonce of every imported key (default 0): lets tests stand right before the limit. */
  readonly firstNonce?: number;
  /** Size of `memory` (default 16 MiB). */
  readonly memoryBytes?: number;
  /** Bytes before the arena (default 64 KiB), as the WASM core keeps its keys there. */
  readonly reservedBytes?: number;
}

interface Slot {
  generation: number;
  /** Present while the handle lives. */
  live?: { key: Uint8Array; nonce: bigint };
}

class ReferenceCore implements SealingCore {
  readonly memory: Uint8Array;
  readonly arena: { readonly offset: number; readonly bytes: number };
  readonly #firstNonce: bigint;
  readonly #slots: Slot[] = [];
  readonly #free: number[] = [];

  constructor(options: ReferenceCoreOptions) {
    const reserved = options.reservedBytes ?? 64 * 1024;
    this.memory = new Uint8Array(options.memoryBytes ?? 16 * 1024 * 1024);
    this.arena = Object.freeze({ offset: reserved, bytes: this.memory.length - reserved });
    this.#firstNonce = BigInt(options.firstNonce ?? 0);
  }

  importKey(key: Uint8Array): KeyHandle {
    if (key.length !== KEY_BYTES) {
      throw new PosternError("key_length_invalid", `Cannot import a key: it has ${key.length} bytes, not 32`);
    }
    let index = this.#free.pop();
    if (index === undefined) {
      if (this.#slots.length === KEY_SLOTS) throw new PosternError("key_slots_exhausted");
      index = this.#slots.push({ generation: 0 }) - 1;
    }
    const slot = this.#slots[index];
    slot.generation++;
    slot.live = { key: key.slice(), nonce: this.#firstNonce };
    return slot.generation * KEY_SLOTS + index;
  }

  wipeKey(handle: KeyHandle): void {
    const index = handle % KEY_SLOTS;
    const generation = Math.floor(handle / KEY_SLOTS);
    const slot = this.#slots[index];
    if (slot === undefined || !(generation >= 1 && generation <= slot.generation)) {
      throw new PosternError("key_handle_stale");
    }
    if (slot.generation !== generation || slot.live === undefined) return;
    slot.live.key.fill(0);
    slot.live = undefined;
    this.#free.push(index);
  }

  rekey(handle: KeyHandle): void {
    const live = this.#live(handle);
    const cipher = createCipheriv("chacha20-poly1305", live.key, nonceOf(2n ** 64n - 1n), {
      authTagLength: TAG_BYTES,
    });
    live.key.set(cipher.update(new Uint8Array(KEY_BYTES)));
    cipher.final();
    live.nonce = 0n;
  }

  seal(handle: KeyHandle, adOffset: number, adBytes: number, offset: number, bytes: number): void {
    const live = this.#live(handle);
    this.#checkRanges(adOffset, adBytes, offset, bytes);
    const cipher = createCipheriv("chacha20-poly1305", live.key, this.#spend(live), {
      authTagLength: TAG_BYTES,
    });
    cipher.setAAD(this.memory.slice(adOffset, adOffset + adBytes), { plaintextLength: bytes });
    const sealed = cipher.update(this.memory.slice(offset, offset + bytes));
    cipher.final();
    this.memory.set(sealed, offset);
    this.memory.set(cipher.getAuthTag(), offset + bytes);
  }

  open(handle: KeyHandle, adOffset: number, adBytes: number, offset: number, bytes: number): boolean {
    const live = this.#live(handle);
    this.#checkRanges(adOffset, adBytes, offset, bytes);
    const decipher = createDecipheriv("chacha20-poly1305", live.key, this.#spend(live), {
      authTagLength: TAG_BYTES,
    });
    const end = offset + bytes;
    decipher.setAAD(this.memory.slice(adOffset, adOffset + adBytes), { plaintextLength: bytes });
    decipher.setAuthTag(this.memory.slice(end, end + TAG_BYTES));
    try {
      const opened = decipher.update(this.memory.slice(offset, end));
      decipher.final();
      this.memory.set(opened, offset);
      return true;
    } catch {
      this.memory.fill(0, offset, end);
      return false;
    }
  }

  sealMany(handle: KeyHandle, table: number, count: number): void {
    for (const [ad, adBytes, at, bytes] of this.#rows(handle, table, count)) {
      this.seal(handle, ad, adBytes, at, bytes);
    }
  }

  openMany(handle: KeyHandle, table: number, count: number): number {
    let held = 0;
    let holds = true;
    for (const [ad, adBytes, at, bytes] of this.#rows(handle, table, count)) {
      holds = this.open(handle, ad, adBytes, at, bytes) && holds;
      if (holds) held++;
      else this.memory.fill(0, at, at + bytes);
    }
    return held;
  }

  /** The rows, checked as a whole before anything is done. */
  #rows(handle: KeyHandle, table: number, count: number): number[][] {
    const live = this.#live(handle);
    if (!isCount(count)) throw outOfBounds(table, count);
    this.#checkInArena(table, 16 * count);
    const view = new DataView(this.memory.buffer);
    const rows = Array.from(
      { length: count },
      (_, row) => [0, 4, 8, 12].map((column) => view.getUint32(table + 16 * row + column, true)),
    );
    let end = this.arena.offset;
    let start = Infinity;
    for (const [ad, adBytes, at, bytes] of rows) {
      const from = adBytes === 0 ? at : ad;
      if (from < end || from + adBytes > at) throw outOfBounds(at, bytes);
      start = Math.min(start, from);
      end = at + bytes + TAG_BYTES;
      this.#checkInArena(at, bytes + TAG_BYTES);
    }
    if (table < end && table + 16 * count > start) throw outOfBounds(table, count);
    if (live.nonce + BigInt(count) > NONCE_LIMIT) throw new PosternError("nonce_exhausted");
    return rows;
  }

  mask(offset: number, bytes: number, mask: number): void {
    this.#checkInArena(offset, bytes);
    for (let i = 0; i < bytes; i++) this.memory[offset + i] ^= mask >>> (8 * (i % 4));
  }

  #live(handle: KeyHandle): { key: Uint8Array; nonce: bigint } {
    const slot = this.#slots[handle % KEY_SLOTS];
    if (slot?.live === undefined || slot.generation !== Math.floor(handle / KEY_SLOTS)) {
      throw new PosternError("key_handle_stale");
    }
    return slot.live;
  }

  #spend(live: { nonce: bigint }): Uint8Array {
    if (live.nonce >= NONCE_LIMIT) throw new PosternError("nonce_exhausted");
    return nonceOf(live.nonce++);
  }

  #checkRanges(adOffset: number, adBytes: number, offset: number, bytes: number): void {
    const sealedBytes = bytes + TAG_BYTES;
    if (!isCount(bytes)) throw outOfBounds(offset, bytes);
    if (!isCount(adOffset)) throw outOfBounds(adOffset, adBytes);
    this.#checkInArena(offset, sealedBytes);
    if (adBytes === 0) return;
    this.#checkInArena(adOffset, adBytes);
    if (adOffset < offset + sealedBytes && offset < adOffset + adBytes) throw outOfBounds(adOffset, adBytes);
  }

  #checkInArena(offset: number, bytes: number): void {
    const end = this.arena.offset + this.arena.bytes;
    if (!isCount(offset) || !isCount(bytes) || offset < this.arena.offset || offset + bytes > end) {
      throw outOfBounds(offset, bytes);
    }
  }
}

/** A core over node:crypto with the contract of the WASM core. Each call makes one with memory of its own. */
export function referenceCore(options: ReferenceCoreOptions = {}): SealingCore {
  return new ReferenceCore(options);
}

/** 4 zero bytes, then the counter as 64-bit little-endian (Noise section 12, ChaChaPoly). */
function nonceOf(counter: bigint): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, counter, true);
  return nonce;
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function outOfBounds(offset: number, bytes: number): PosternError {
  return new PosternError("core_bounds", undefined, { detail: { offset, bytes } });
}
