/**
 * Two streams of two muxes as one: what comes on either goes out on the other. Credit is returned when the bytes have left,
 * so that a slow end holds back the other one, and no more than a window is held here.
 */
import type { MuxStream, StreamHandler } from "../mux/mod.ts";

/** Joins them from now on. Each one's handler is set; what has come before is not seen. */
export function joinStreams(one: MuxStream, other: MuxStream): void {
  const toOther = new Half(one, other);
  const toOne = new Half(other, one);
  toOther.back = toOne;
  toOne.back = toOther;
  one.handler = toOther;
  other.handler = toOne;
}

/** Handles what comes on `from`. */
class Half implements StreamHandler {
  readonly #from: MuxStream;
  readonly #to: MuxStream;
  /** The other direction. */
  back!: Half;
  /** Bytes that were offered and are not taken yet. */
  #offered = 0;

  constructor(from: MuxStream, to: MuxStream) {
    this.#from = from;
    this.#to = to;
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    if (this.#to.gone) return this.#from.consumed(end - start);
    this.#offered += end - start;
    this.#to.offer(buffer.slice(start, end)); // the buffer is used again at once
  }

  onEnd(trailers: Uint8Array | undefined): void {
    this.#to.end(trailers);
  }

  onReset(reason: Parameters<StreamHandler["onReset"]>[0]): void {
    this.#to.reset(reason);
  }

  onTaken(): void {
    this.back.taken();
  }

  /** All that was offered has gone. */
  taken(): void {
    const bytes = this.#offered;
    this.#offered = 0;
    this.#from.consumed(bytes);
  }
}
