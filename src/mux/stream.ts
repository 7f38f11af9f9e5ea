/**
 * One ordered byte flow in each direction of a channel.
 *
 * ```
 *            end()                     peer's END
 *   open ------------> local ended ----------------> gone
 *     |  peer's END                     end()          ^
 *     +------------> remote ended --------------------->+
 *     +------------ reset() or peer's RESET ----------->+
 * ```
 */
import type { ResetReason, StreamOpening } from "../wire/mod.ts";
import { CreditLedger } from "./credit_ledger.ts";
import { MAX_TRAILER_BYTES } from "./limits.ts";
import type { Mux } from "./mux.ts";

/** What a stream tells its user. Calls come from inside `Mux.receive` or `Mux.fill`: keep them short. */
export interface StreamHandler {
  /**
   * Bytes arrived at `[start, end)` of the buffer; they are valid until this returns, unless the driver's receive
   * buffer is retained. Every byte is to be returned by `consumed()` once it left this process.
   */
  onData(buffer: Uint8Array, start: number, end: number): void;
  /** The peer ended its direction; `trailers` is the HTTP trailer section, if it sent one. */
  onEnd(trailers: Uint8Array | undefined): void;
  /**
   * The stream is gone. Nothing more comes; unread bytes are to be dropped, also those of a stream that had ended: its user
   * held them for too long (`slow_consumer`).
   */
  onReset(reason: ResetReason): void;
  /** All offered bytes were taken: more may be offered. */
  onTaken(): void;
}

/** A stretch of bytes that the user offered and that has not been sent yet. */
interface Chunk {
  bytes: Uint8Array;
  at: number;
  end: number;
}

export class MuxStream {
  readonly id: number;
  readonly opening: StreamOpening;
  /** Set once by whoever opened or accepted the stream. */
  handler: StreamHandler;
  /** @internal Used by {@link Mux} only, like everything below. */
  readonly sendCredit: CreditLedger;
  readonly receiveCredit: CreditLedger;
  queued = false;
  localEnded = false;
  remoteEnded = false;
  /** No longer in the table: ended both ways, or cut. */
  gone = false;
  /** Ended by a reset of either side. */
  cut = false;
  endWanted = false;
  trailers: Uint8Array | undefined;
  readonly #mux: Mux;
  readonly #chunks: Chunk[] = [];

  constructor(
    mux: Mux,
    id: number,
    opening: StreamOpening,
    handler: StreamHandler,
    sendCredit: CreditLedger,
    receiveCredit: CreditLedger,
  ) {
    this.#mux = mux;
    this.id = id;
    this.opening = opening;
    this.handler = handler;
    this.sendCredit = sendCredit;
    this.receiveCredit = receiveCredit;
  }

  /** Whether earlier offers were all taken. */
  get idle(): boolean {
    return this.#chunks.length === 0;
  }

  /**
   * Offers bytes for sending. They stay the caller's but must not change until `onTaken`. More than one offer may wait;
   * a well-mannered caller waits for `onTaken` before it reads more from its source.
   */
  offer(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (this.gone || this.endWanted || start === end) return;
    this.#chunks.push({ bytes, at: start, end });
    this.#mux.ready(this);
  }

  /** Ends the direction after what was offered. `trailers` is an HTTP trailer section; RangeError above {@link MAX_TRAILER_BYTES}. */
  end(trailers?: Uint8Array): void {
    if (this.gone || this.endWanted) return;
    if (trailers !== undefined && trailers.length > MAX_TRAILER_BYTES) {
      throw new RangeError(`${trailers.length} bytes of trailers`);
    }
    this.endWanted = true;
    this.trailers = trailers;
    this.#mux.ready(this);
  }

  /** Ends both directions at once. Offered bytes are dropped. Idempotent. */
  reset(reason: ResetReason): void {
    this.#mux.resetStream(this, reason);
  }

  /** Returns credit for bytes that `onData` delivered. */
  consumed(bytes: number): void {
    this.#mux.consumed(this, bytes);
  }

  /** @internal The chunk to send from, if any. */
  get chunk(): Chunk | undefined {
    return this.#chunks[0];
  }

  /** @internal `bytes` of the first chunk were copied out. */
  advance(bytes: number): void {
    const chunk = this.#chunks[0];
    chunk.at += bytes;
    if (chunk.at === chunk.end) this.#chunks.shift();
  }

  /** @internal */
  drop(): void {
    this.#chunks.length = 0;
  }
}
