import { PosternError } from "../src/errors/mod.ts";
import { failureOf, outOfBounds, wrongLength } from "./failure.ts";
import { type CoreExports, instantiate, STATUS } from "./instance.ts";
import { ARENA_BYTES, ARENA_OFFSET, DIGEST, DIGEST_BYTES, KEY_BYTES, STAGED_KEY } from "./layout.ts";

/** Keyed hashing (32 bytes), or derivation of a key from material; the context is a constant of the program. */
export type Blake3Mode = { readonly key: Uint8Array } | { readonly context: string };

/** A hash of many ranges of a core's memory. Its state lies in the core, which has room for 64. */
export interface Blake3Hasher {
  /** Adds `memory[offset, offset+bytes)`. Throws `core_bounds`, and `key_handle_stale` after `close`. */
  update(offset: number, bytes: number): void;
  /** The 32 bytes of what was added so far; more may be added. */
  digest(): Uint8Array<ArrayBuffer>;
  /** Wipes the state. Idempotent. */
  close(): void;
}

/** BLAKE3 of bytes that lie in the arena already. */
export interface Blake3Core {
  /** The 32-byte digest of `memory[offset, offset+bytes)`. Throws `core_bounds`, `key_length_invalid`. */
  blake3(offset: number, bytes: number, mode?: Blake3Mode): Uint8Array<ArrayBuffer>;
  /** Throws `hashers_exhausted`, `key_length_invalid`. */
  createBlake3(mode?: Blake3Mode): Blake3Hasher;
}

/** Table 3 of the BLAKE3 paper. */
const MODE = Object.freeze({ plain: 0, keyed: 16, context: 32, material: 64 });

/** Over one instance. */
export class WasmBlake3 implements Blake3Core {
  readonly #wasm: CoreExports;
  readonly #memory: Uint8Array;

  constructor(wasm: CoreExports, memory: Uint8Array) {
    this.#wasm = wasm;
    this.#memory = memory;
  }

  blake3(offset: number, bytes: number, mode?: Blake3Mode): Uint8Array<ArrayBuffer> {
    if (!isWord(offset) || !isWord(bytes)) throw outOfBounds("hash", offset, bytes);
    const status = this.#wasm.blake3(this.#stage(mode), offset, bytes);
    if (status !== STATUS.done) throw failureOf(status, "hash", offset, bytes);
    return takeDigest(this.#memory);
  }

  createBlake3(mode?: Blake3Mode): Blake3Hasher {
    const index = this.#wasm.openHasher(this.#stage(mode));
    if (index < 0) throw new PosternError("hashers_exhausted");
    return new WasmHasher(this.#wasm, this.#memory, index);
  }

  /** Puts the mode's key where the core takes it, and gives its flag. */
  #stage(mode: Blake3Mode | undefined): number {
    if (mode === undefined) return MODE.plain;
    if ("context" in mode) {
      const key = hashWith(MODE.context, new TextEncoder().encode(mode.context));
      this.#memory.set(key, STAGED_KEY);
      key.fill(0);
      return MODE.material;
    }
    if (mode.key.length !== KEY_BYTES) throw wrongLength("key", mode.key.length, KEY_BYTES);
    this.#memory.set(mode.key, STAGED_KEY);
    return MODE.keyed;
  }
}

class WasmHasher implements Blake3Hasher {
  readonly #wasm: CoreExports;
  readonly #memory: Uint8Array;
  readonly #index: number;
  /** The index may belong to another hasher after it. */
  #closed = false;

  constructor(wasm: CoreExports, memory: Uint8Array, index: number) {
    this.#wasm = wasm;
    this.#memory = memory;
    this.#index = index;
  }

  update(offset: number, bytes: number): void {
    if (!isWord(offset) || !isWord(bytes)) throw outOfBounds("hash", offset, bytes);
    const status = this.#closed ? STATUS.stale : this.#wasm.updateHasher(this.#index, offset, bytes);
    if (status !== STATUS.done) throw failureOf(status, "hash", offset, bytes);
  }

  digest(): Uint8Array<ArrayBuffer> {
    const status = this.#closed ? STATUS.stale : this.#wasm.digestHasher(this.#index);
    if (status !== STATUS.done) throw failureOf(status, "hash", 0, 0);
    return takeDigest(this.#memory);
  }

  close(): void {
    if (!this.#closed) this.#wasm.closeHasher(this.#index);
    this.#closed = true;
  }
}

let shared: { wasm: CoreExports; memory: Uint8Array } | undefined;

/** BLAKE3 of any bytes, copied into a core of their own: 32 bytes. Throws `key_length_invalid`, `core_bounds` above 59 MiB. */
export function blake3(input: Uint8Array, mode?: Blake3Mode): Uint8Array<ArrayBuffer> {
  if (input.length > ARENA_BYTES) throw outOfBounds("hash", 0, input.length);
  const { wasm, memory } = own();
  const core = new WasmBlake3(wasm, memory);
  memory.set(input, ARENA_OFFSET);
  const digest = core.blake3(ARENA_OFFSET, input.length, mode);
  memory.fill(0, ARENA_OFFSET, ARENA_OFFSET + input.length);
  return digest;
}

/** Under a flag that takes no key, behind what lies in the arena. */
function hashWith(flag: number, input: Uint8Array): Uint8Array<ArrayBuffer> {
  const { wasm, memory } = own();
  const offset = ARENA_OFFSET + ARENA_BYTES - input.length;
  if (offset < ARENA_OFFSET) throw outOfBounds("hash", 0, input.length);
  const before = memory.slice(offset);
  memory.set(input, offset);
  wasm.blake3(flag, offset, input.length);
  memory.set(before, offset);
  return takeDigest(memory);
}

function own(): { wasm: CoreExports; memory: Uint8Array } {
  if (shared === undefined) {
    const wasm = instantiate();
    shared = { wasm, memory: new Uint8Array(wasm.memory.buffer) };
  }
  return shared;
}

function takeDigest(memory: Uint8Array): Uint8Array<ArrayBuffer> {
  const digest = new Uint8Array(DIGEST_BYTES);
  digest.set(memory.subarray(DIGEST, DIGEST + DIGEST_BYTES));
  memory.fill(0, DIGEST, DIGEST + DIGEST_BYTES);
  return digest;
}

/** WebAssembly takes numbers modulo 2^32: what is no 32-bit count would become another range. */
function isWord(value: number): boolean {
  return value >>> 0 === value;
}
