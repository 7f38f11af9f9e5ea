/**
 * Streams by id. A Map would do, but a busy Map leaves its outgrown tables behind, each with what was in it and with a link
 * to the next: the garbage collector then copies every past stream. Here a stream that was taken out leaves nothing.
 */
import type { MuxStream } from "./stream.ts";

/** A power of two. */
const FIRST_SLOTS = 64;

/** Open addressing with linear probing; at most half of the slots are in use. */
export class StreamTable {
  #slots: (MuxStream | undefined)[] = emptySlots(FIRST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): MuxStream | undefined {
    return this.#slots[this.#find(id)];
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** Puts a stream in, in place of one with the same id. */
  add(stream: MuxStream): void {
    if (2 * (this.#size + 1) > this.#slots.length) this.#grow();
    const at = this.#find(stream.id);
    if (this.#slots[at] === undefined) this.#size++;
    this.#slots[at] = stream;
  }

  /** Whether the stream was in. */
  delete(id: number): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#find(id);
    if (slots[hole] === undefined) return false;
    slots[hole] = undefined;
    this.#size--;
    // Those behind move up, unless the hole lies before where they belong.
    for (let at = (hole + 1) & mask;; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined) return true;
      if (((at - home(stream.id)) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      slots[at] = undefined;
      hole = at;
    }
  }

  clear(): void {
    this.#slots = emptySlots(FIRST_SLOTS);
    this.#size = 0;
  }

  /** All streams, in no order; nothing may be put in or taken out meanwhile. */
  *[Symbol.iterator](): Iterator<MuxStream> {
    for (const stream of this.#slots) if (stream !== undefined) yield stream;
  }

  /** Slot of the stream, or the free one where it belongs. */
  #find(id: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = home(id) & mask;; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return at;
    }
  }

  #grow(): void {
    const streams = this.#slots;
    this.#slots = emptySlots(2 * streams.length);
    for (let at = 0; at < streams.length; at++) {
      const stream = streams[at];
      if (stream === undefined) continue;
      this.#slots[this.#find(stream.id)] = stream;
      streams[at] = undefined;
    }
  }
}

/** Ids of one side are all odd or all even. */
function home(id: number): number {
  return id >>> 1;
}

function emptySlots(count: number): (MuxStream | undefined)[] {
  return new Array<MuxStream | undefined>(count).fill(undefined);
}
