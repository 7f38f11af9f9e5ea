/** Plain buffers for sockets of viewers and origins, used again instead of being left to the garbage collector. */

/** Size of a slab for a connection on which nothing, or little, comes: of those there may be tens of thousands. */
export const IDLE_SLAB_BYTES = 512;
/** Size of a slab for a connection that has not shown that it needs more. */
export const SMALL_SLAB_BYTES = 8_192;
/** Size for bulk: one DATA frame. */
export const LARGE_SLAB_BYTES = 65_472;

export class Slabs {
  readonly #idle: Uint8Array[] = [];
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];
  readonly #keptBytes: number;

  /** @param keptBytes most bytes of each size that are kept for later */
  constructor(keptBytes = 4_194_304) {
    this.#keptBytes = keptBytes;
  }

  idle(): Uint8Array {
    return this.#idle.pop() ?? new Uint8Array(IDLE_SLAB_BYTES);
  }
  small(): Uint8Array {
    return this.#small.pop() ?? new Uint8Array(SMALL_SLAB_BYTES);
  }
  large(): Uint8Array {
    return this.#large.pop() ?? new Uint8Array(LARGE_SLAB_BYTES);
  }
  /** Takes a slab back; the caller must have no view of it in use. */
  give(slab: Uint8Array): void {
    const list = slab.length === LARGE_SLAB_BYTES
      ? this.#large
      : slab.length === IDLE_SLAB_BYTES
      ? this.#idle
      : this.#small;
    if ((list.length + 1) * slab.length <= this.#keptBytes) list.push(slab);
  }
}
