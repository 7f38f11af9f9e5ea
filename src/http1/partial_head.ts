/**
 * A head that has not come in whole: its octets so far, in one buffer that grows by doubling. However small the pieces are,
 * each octet is copied a bounded number of times, and the parser is told how far it has looked.
 */
const FIRST_BYTES = 1_024;

export class PartialHead {
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;
  #seen = 0;

  /** What came so far: `[0, length)`. */
  get buffer(): Uint8Array {
    return this.#buffer;
  }
  get length(): number {
    return this.#length;
  }
  /** Octets before the last {@link add}: the `seen` of a parser that found them incomplete. */
  get seen(): number {
    return this.#seen;
  }

  /** Puts `[start, end)` of the buffer behind what is here. */
  add(buffer: Uint8Array, start: number, end: number): void {
    this.#seen = this.#length;
    const length = this.#length + end - start;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length, FIRST_BYTES));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(buffer.subarray(start, end), this.#length);
    this.#length = length;
  }
}
