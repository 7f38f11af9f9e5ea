/** Plain buffers for sockets of viewers and origins, used again instead of being left to the garbage collector. */

/** Size of a slab for a connection on which nothing, or little, comes: of those there may be tens of thousands. */
export const IDLE_SLAB_BYTES = 512;
/** Size of a slab for a connection that has not shown that it needs more. */
export const SMALL_SLAB_BYTES = 8_192;
/** Size for bulk: one DATA frame. */
export const LARGE_SLAB_BYTES = 65_472;

/** Slabs of one size that nobody uses at present. */
class Shelf {
  readonly #bytes: number;
  readonly #most: number;
  readonly #slabs: Uint8Array[] = [];
  /** Fewest that lay here since the last {@link trim}: so many were not needed in that time. */
  #unneeded = 0;

  constructor(bytes: number, keptBytes: number) {
    this.#bytes = bytes;
    this.#most = Math.floor(keptBytes / bytes);
  }

  get bytes(): number {
    return this.#slabs.length * this.#bytes;
  }

  take(): Uint8Array {
    const slab = this.#slabs.pop();
    if (slab === undefined) return new Uint8Array(this.#bytes);
    if (this.#slabs.length < this.#unneeded) this.#unneeded = this.#slabs.length;
    return slab;
  }

  give(slab: Uint8Array): void {
    if (this.#slabs.length < this.#most) this.#slabs.push(slab);
  }

  trim(): void {
    this.#slabs.length -= this.#unneeded;
    this.#unneeded = this.#slabs.length;
  }
}

export class Slabs {
  readonly #idle: Shelf;
  readonly #small: Shelf;
  readonly #large: Shelf;

  /** @param keptBytes most bytes of each size that are kept for later */
  constructor(keptBytes = 4_194_304) {
    this.#idle = new Shelf(IDLE_SLAB_BYTES, keptBytes);
    this.#small = new Shelf(SMALL_SLAB_BYTES, keptBytes);
    this.#large = new Shelf(LARGE_SLAB_BYTES, keptBytes);
  }

  /** Bytes that are kept for later. */
  get keptBytes(): number {
    return this.#idle.bytes + this.#small.bytes + this.#large.bytes;
  }

  idle(): Uint8Array {
    return this.#idle.take();
  }
  small(): Uint8Array {
    return this.#small.take();
  }
  large(): Uint8Array {
    return this.#large.take();
  }
  /** Takes a slab back; the caller must have no view of it in use. */
  give(slab: Uint8Array): void {
    if (slab.length === LARGE_SLAB_BYTES) this.#large.give(slab);
    else if (slab.length === IDLE_SLAB_BYTES) this.#idle.give(slab);
    else this.#small.give(slab);
  }

  /** Lets go of what was not needed since the last call. Call every few seconds: after bulk its memory comes back. */
  trim(): void {
    this.#idle.trim();
    this.#small.trim();
    this.#large.trim();
  }
}
