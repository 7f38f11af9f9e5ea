/**
 * Streams by id. A Map would do, but a busy Map leaves its outgrown tables behind, each with what was in it and with a link
 * to the next: the garbage collector then copies every past stream. Here a stream that was taken out leaves nothing.
 */
import type { MuxStream } from "./stream.ts";

/** A power of two. */
const FIRST_SLOTS = 64;
/**
 * 2^32 divided by the golden ratio (Knuth, TAOCP 3, 6.4): ids that follow each other come to lie far apart. By their own
 * order, ten thousand idle streams would be one run of full slots, which every later id that falls into it walks through.
 */
const GOLDEN = 0x9e37_79b1;

/** Open addressing with linear probing; at most half of the slots are in use. */
export class StreamTable {
  #slots: (MuxStream | undefined)[] = emptySlots(FIRST_SLOTS);
  /** 32 less the bits of a slot's number. */
  #shift = shiftOf(FIRST_SLOTS);
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
      if (((at - this.#home(stream.id)) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      slots[at] = undefined;
      hole = at;
    }
  }

  clear(): void {
    this.#slots = emptySlots(FIRST_SLOTS);
    this.#shift = shiftOf(FIRST_SLOTS);
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
    for (let at = this.#home(id);; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return at;
    }
  }

  /** Where the search for an id begins. Ids of one side are all odd or all even. */
  #home(id: number): number {
    return Math.imul(id >>> 1, GOLDEN) >>> this.#shift;
  }

  #grow(): void {
    const streams = this.#slots;
    this.#slots = emptySlots(2 * streams.length);
    this.#shift--;
    for (let at = 0; at < streams.length; at++) {
      const stream = streams[at];
      if (stream === undefined) continue;
      this.#slots[this.#find(stream.id)] = stream;
      streams[at] = undefined;
    }
  }
}

function shiftOf(slots: number): number {
  return Math.clz32(slots) + 1;
}

function emptySlots(count: number): (MuxStream | undefined)[] {
  return new Array<MuxStream | undefined>(count).fill(undefined);
}
