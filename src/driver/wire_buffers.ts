/**
 * Buffers for carriers, in the sealing core's memory so that records are sealed and opened where the socket reads and
 * writes them. Counted references: a socket may still be writing from a buffer after its record was handled.
 */
import { PosternError } from "../errors/mod.ts";
import type { SealingCore } from "../ports/mod.ts";

/** Sizes that are handed out. Small: an idle carrier. Large: five full records with their headers. */
export const SMALL_BUFFER_BYTES = 16_384;
export const LARGE_BUFFER_BYTES = 329_728;

/** A stretch of the core's memory, in use by `references` holders. */
export class WireBuffer {
  readonly offset: number;
  readonly bytes: number;
  /** @internal */
  references = 0;
  readonly #pool: WireBuffers;

  constructor(pool: WireBuffers, offset: number, bytes: number) {
    this.#pool = pool;
    this.offset = offset;
    this.bytes = bytes;
  }

  get end(): number {
    return this.offset + this.bytes;
  }
  /** Whether only its owner holds it, so that it may be overwritten. */
  get isSole(): boolean {
    return this.references === 1;
  }
  retain(): this {
    this.references++;
    return this;
  }
  release(): void {
    if (--this.references === 0) this.#pool.giveBack(this);
  }
}

export class WireBuffers {
  readonly core: SealingCore;
  #next: number;
  readonly #end: number;
  readonly #free = new Map<number, WireBuffer[]>([[SMALL_BUFFER_BYTES, []], [LARGE_BUFFER_BYTES, []]]);
  #inUse = 0;

  constructor(core: SealingCore) {
    this.core = core;
    this.#next = core.arena.offset;
    this.#end = core.arena.offset + core.arena.bytes;
  }

  get bytesInUse(): number {
    return this.#inUse;
  }
  /** More than half of the memory is in use: hold no buffer longer than needed. */
  get isPressed(): boolean {
    return this.#inUse > (this.core.arena.bytes >>> 1);
  }

  /** Takes a buffer with one reference. @throws PosternError `wire_memory_exhausted` */
  take(bytes: typeof SMALL_BUFFER_BYTES | typeof LARGE_BUFFER_BYTES): WireBuffer {
    let buffer = this.#free.get(bytes)!.pop();
    if (buffer === undefined) {
      if (this.#next + bytes > this.#end) {
        throw new PosternError(
          "wire_memory_exhausted",
          "Cannot take a buffer: all of the core's memory is in use",
          {
            detail: { in_use: this.#inUse },
          },
        );
      }
      buffer = new WireBuffer(this, this.#next, bytes);
      this.#next += bytes;
    }
    this.#inUse += buffer.bytes;
    buffer.references = 1;
    return buffer;
  }

  /** @internal */
  giveBack(buffer: WireBuffer): void {
    this.#inUse -= buffer.bytes;
    this.#free.get(buffer.bytes)!.push(buffer);
  }
}
