/**
 * Buffers for carriers, in the sealing core's memory so that records are sealed and opened where the socket reads and
 * writes them. Counted references: a socket may still be writing from a buffer after its record was handled.
 */
import { PosternError } from "../errors/mod.ts";
import type { SealingCore } from "../ports/mod.ts";

/** Sizes that are handed out. Small: an idle carrier. Large: five full records with their headers. */
export const SMALL_BUFFER_BYTES = 16_384;
export const LARGE_BUFFER_BYTES = 329_728;

/** Share of the memory that small buffers may take for good; the rest stays for bulk. */
const SMALL_SHARE = 3 / 4;

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
  /** Once for each reference: one release too many would hand the buffer to two owners. */
  release(): void {
    if (this.references <= 0) throw new RangeError("buffer released twice");
    if (--this.references === 0) this.#pool.giveBack(this);
  }
}

export class WireBuffers {
  readonly core: SealingCore;
  #next: number;
  readonly #end: number;
  readonly #free = new Map<number, WireBuffer[]>([[SMALL_BUFFER_BYTES, []], [LARGE_BUFFER_BYTES, []]]);
  #inUse = 0;
  #smallBytes = 0;

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
    const buffer = this.tryTake(bytes);
    if (buffer !== undefined) return buffer;
    throw new PosternError(
      "wire_memory_exhausted",
      "Cannot take a buffer: all of the core's memory is in use",
      { detail: { in_use: this.#inUse } },
    );
  }

  /** As {@link take}; undefined when there is none. */
  tryTake(bytes: typeof SMALL_BUFFER_BYTES | typeof LARGE_BUFFER_BYTES): WireBuffer | undefined {
    const buffer = this.#free.get(bytes)!.pop() ??
      (bytes === SMALL_BUFFER_BYTES ? this.#makeSmall() : this.#carve(bytes));
    if (buffer === undefined) return undefined;
    this.#inUse += buffer.bytes;
    buffer.references = 1;
    return buffer;
  }

  /** A piece of memory that was never used. */
  #carve(bytes: number): WireBuffer | undefined {
    if (this.#next + bytes > this.#end) return undefined;
    const buffer = new WireBuffer(this, this.#next, bytes);
    this.#next += bytes;
    return buffer;
  }

  /** When nothing is left to carve, a large buffer that is free becomes small ones. */
  #makeSmall(): WireBuffer | undefined {
    if (this.#smallBytes + SMALL_BUFFER_BYTES > this.core.arena.bytes * SMALL_SHARE) return undefined;
    this.#smallBytes += SMALL_BUFFER_BYTES;
    const carved = this.#carve(SMALL_BUFFER_BYTES);
    if (carved !== undefined) return carved;
    const large = this.#free.get(LARGE_BUFFER_BYTES)!.pop();
    if (large === undefined) {
      this.#smallBytes -= SMALL_BUFFER_BYTES;
      return undefined;
    }
    const free = this.#free.get(SMALL_BUFFER_BYTES)!;
    for (let at = large.offset; at + SMALL_BUFFER_BYTES <= large.end; at += SMALL_BUFFER_BYTES) {
      free.push(new WireBuffer(this, at, SMALL_BUFFER_BYTES));
    }
    this.#smallBytes += (free.length - 1) * SMALL_BUFFER_BYTES;
    return free.pop();
  }

  /** @internal */
  giveBack(buffer: WireBuffer): void {
    this.#inUse -= buffer.bytes;
    this.#free.get(buffer.bytes)!.push(buffer);
  }
}
