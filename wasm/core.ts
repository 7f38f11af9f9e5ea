import { PosternError } from "../src/errors/mod.ts";
import type { KeyHandle, SealingCore } from "../src/ports/mod.ts";
import { type Blake3Core, type Blake3Hasher, type Blake3Mode, WasmBlake3 } from "./blake3.ts";
import { failureOf, outOfBounds, wrongLength } from "./failure.ts";
import { type Build, type CoreExports, instantiate, STATUS } from "./instance.ts";
import { ARENA_BYTES, ARENA_OFFSET, KEY_BYTES, STAGED_KEY } from "./layout.ts";

/** How a core is made. */
export interface LoadCoreOptions {
  /** Counter of the first nonce of every imported key (default 0), up to 2^48. For tests near the limit. */
  readonly firstNonce?: number;
  /** Which build to run; by default `relaxed` where the runtime takes it, else `plain`. */
  readonly build?: Build;
}

/** Seals, opens and hashes in one memory. */
export type CryptoCore = SealingCore & Blake3Core;

/** The port over one WebAssembly instance. */
class WasmCore implements CryptoCore {
  readonly memory: Uint8Array;
  readonly arena = Object.freeze({ offset: ARENA_OFFSET, bytes: ARENA_BYTES });
  readonly #wasm: CoreExports;
  readonly #blake3: WasmBlake3;
  readonly #firstNonce: number;

  constructor(options: LoadCoreOptions) {
    this.#firstNonce = options.firstNonce ?? 0;
    this.#wasm = instantiate(options.build);
    this.memory = new Uint8Array(this.#wasm.memory.buffer);
    this.#blake3 = new WasmBlake3(this.#wasm, this.memory);
  }

  importKey(key: Uint8Array): KeyHandle {
    if (key.length !== KEY_BYTES) throw wrongLength("key", key.length, KEY_BYTES);
    this.memory.set(key, STAGED_KEY);
    const handle = this.#wasm.importKey(this.#firstNonce);
    if (handle < 0) throw new PosternError("key_slots_exhausted");
    return handle;
  }

  wipeKey(handle: KeyHandle): void {
    if (this.#wasm.wipeKey(handle) === 0) throw failureOf(STATUS.stale, "wipe a key", 0, 0);
  }

  rekey(handle: KeyHandle): void {
    const status = this.#wasm.rekey(handle);
    if (status !== STATUS.done) throw failureOf(status, "rekey", 0, 0);
  }

  seal(handle: KeyHandle, adOffset: number, adBytes: number, offset: number, bytes: number): void {
    if (!isWord(adOffset) || !isWord(adBytes)) throw outOfBounds("seal with", adOffset, adBytes);
    if (!isWord(offset) || !isWord(bytes)) throw outOfBounds("seal", offset, bytes);
    const status = this.#wasm.seal(handle, adOffset, adBytes, offset, bytes);
    if (status !== STATUS.done) throw failureOf(status, "seal", offset, bytes);
  }

  open(handle: KeyHandle, adOffset: number, adBytes: number, offset: number, bytes: number): boolean {
    if (!isWord(adOffset) || !isWord(adBytes)) throw outOfBounds("open with", adOffset, adBytes);
    if (!isWord(offset) || !isWord(bytes)) throw outOfBounds("open", offset, bytes);
    const status = this.#wasm.open(handle, adOffset, adBytes, offset, bytes);
    if (status === STATUS.done) return true;
    if (status === STATUS.tagMismatch) return false;
    throw failureOf(status, "open", offset, bytes);
  }

  sealMany(handle: KeyHandle, table: number, count: number): void {
    if (!isWord(table) || !isWord(count)) throw batchOutOfBounds(table, count);
    const status = this.#wasm.sealMany(handle, table, count);
    if (status === STATUS.bounds) throw batchOutOfBounds(table, count);
    if (status !== STATUS.done) throw failureOf(status, "seal a batch", table, count);
  }

  openMany(handle: KeyHandle, table: number, count: number): number {
    if (!isWord(table) || !isWord(count)) throw batchOutOfBounds(table, count);
    const held = this.#wasm.openMany(handle, table, count);
    if (held === -STATUS.bounds) throw batchOutOfBounds(table, count);
    if (held < 0) throw failureOf(-held, "open a batch", table, count);
    return held;
  }

  blake3(offset: number, bytes: number, mode?: Blake3Mode): Uint8Array<ArrayBuffer> {
    return this.#blake3.blake3(offset, bytes, mode);
  }

  createBlake3(mode?: Blake3Mode): Blake3Hasher {
    return this.#blake3.createBlake3(mode);
  }

  mask(offset: number, bytes: number, mask: number): void {
    if (!isWord(offset) || !isWord(bytes)) throw outOfBounds("mask", offset, bytes);
    if (this.#wasm.mask(offset, bytes, mask) !== STATUS.done) throw outOfBounds("mask", offset, bytes);
  }
}

/**
 * A core with memory of its own (64 MiB of address space; pages count once they are touched).
 *
 * Synchronous: the module is compiled at the first call and shared by later ones. Throws `simd_missing`.
 */
export function loadCore(options: LoadCoreOptions = {}): CryptoCore {
  return new WasmCore(options);
}

function batchOutOfBounds(table: number, count: number): PosternError {
  return outOfBounds("take a batch with a table of", table, 16 * count);
}

/** WebAssembly takes numbers modulo 2^32: what is no 32-bit count would become another range. */
function isWord(value: number): boolean {
  return value >>> 0 === value;
}
