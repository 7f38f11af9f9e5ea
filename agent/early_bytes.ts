/** Bytes of a stream that came before there was anybody to write them to. The stream's credit bounds them. */
import type { StreamHandler } from "../src/mux/mod.ts";

export class EarlyBytes {
  /** The stream has ended behind them. */
  ended = false;
  #parts: Uint8Array[] = [];

  /** Copies `[start, end)` of the buffer. */
  add(buffer: Uint8Array, start: number, end: number): void {
    if (end > start) this.#parts.push(buffer.slice(start, end));
  }

  /** Hands everything on, in order. */
  handTo(next: Pick<StreamHandler, "onData" | "onEnd">): void {
    for (const bytes of this.take()) next.onData(bytes, 0, bytes.length);
    if (this.ended) next.onEnd(undefined);
  }

  /** Takes what is there. */
  take(): Uint8Array[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}
