/** The sending half of a mux: DATA frames of all streams, in the scheduler's order and within the credit of the peer. */
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, MAX_DATA_BYTES, writeFrameHeader } from "../wire/mod.ts";
import { CreditLedger } from "./credit_ledger.ts";
import { CHANNEL_WINDOW_BYTES } from "./limits.ts";
import { Scheduler } from "./scheduler.ts";
import type { MuxStream } from "./stream.ts";

export interface SenderEvents {
  /** A stream has something to send. */
  wake(): void;
  /** The end of the stream's direction was written. */
  onEnded(stream: MuxStream): void;
}

/** Free space below which no DATA frame is started while others wait: tiny frames cost more than they carry. */
const MIN_DATA_BYTES = 512;

export class Sender {
  /** Of the channel: all streams together. */
  readonly credit: CreditLedger = new CreditLedger(CHANNEL_WINDOW_BYTES);
  readonly #events: SenderEvents;
  readonly #scheduler = new Scheduler();
  /** Streams with bytes to send that only the channel's credit holds back. */
  readonly #starved = new Set<MuxStream>();
  #recordFull = false;

  constructor(events: SenderEvents) {
    this.#events = events;
  }

  /** Whether a stream waits for its turn. */
  get pending(): boolean {
    return this.#scheduler.waiting > 0;
  }

  /** The stream has bytes or an end to send. */
  ready(stream: MuxStream): void {
    if (stream.queued || stream.gone || stream.localEnded) return;
    stream.queued = true;
    this.#scheduler.add(stream);
    this.#events.wake();
  }

  /** The peer takes more of all streams together. Throws `credit_overflow`. */
  grant(bytes: number): void {
    this.credit.grant(bytes);
    const starved = [...this.#starved];
    this.#starved.clear();
    for (const stream of starved) this.ready(stream);
  }

  /** The stream is gone. */
  forget(stream: MuxStream): void {
    this.#starved.delete(stream);
  }

  clear(): void {
    this.#starved.clear();
  }

  /** Writes DATA frames into `[at, limit)` of a record that begins at `start`, and returns where they end. */
  fill(buffer: Uint8Array, start: number, at: number, limit: number): number {
    this.#recordFull = false;
    while (!this.#recordFull && limit - at > FRAME_HEADER_BYTES + (at === start ? 0 : MIN_DATA_BYTES)) {
      const stream = this.#scheduler.take();
      if (stream === undefined) break;
      stream.queued = false;
      if (stream.gone) continue;
      at = this.#fillFrom(stream, buffer, at, limit);
    }
    return at;
  }

  /** Writes one DATA frame of the stream, and its end when it is due. */
  #fillFrom(stream: MuxStream, buffer: Uint8Array, at: number, limit: number): number {
    const allowance = this.#scheduler.allowance();
    const room = Math.min(limit - at - FRAME_HEADER_BYTES, MAX_DATA_BYTES, allowance);
    const credit = Math.min(stream.sendCredit.available, this.credit.available);
    let bytes = 0;
    let chunk = stream.chunk;
    while (chunk !== undefined && bytes < room && bytes < credit) {
      const part = Math.min(chunk.end - chunk.at, room - bytes, credit - bytes);
      const from = chunk.at;
      const target = at + FRAME_HEADER_BYTES + bytes;
      if (from === 0 && part === chunk.bytes.length) buffer.set(chunk.bytes, target);
      else buffer.set(chunk.bytes.subarray(from, from + part), target);
      bytes += part;
      stream.advance(part);
      chunk = stream.chunk;
    }
    const ending = stream.endWanted && chunk === undefined;
    const withTrailers = ending && stream.trailers !== undefined;
    if (bytes === 0 && !ending) {
      // Nothing but credit is missing: the CREDIT frame of the stream or of the channel makes it ready again.
      if (stream.sendCredit.available > 0) this.#starved.add(stream);
      return at;
    }
    stream.sendCredit.spend(bytes);
    this.credit.spend(bytes);
    this.#scheduler.spent(stream, bytes);
    let end = at;
    if (bytes > 0 || !withTrailers) {
      const flags = ending && !withTrailers ? FrameFlag.end : 0;
      writeFrameHeader(buffer, at, FrameType.data, flags, bytes, stream.id);
      end = at + FRAME_HEADER_BYTES + bytes;
    }
    if (withTrailers) {
      const trailers = stream.trailers!;
      if (limit - end < FRAME_HEADER_BYTES + trailers.length) {
        this.#recordFull = true; // the next one has room
        this.ready(stream);
        return end;
      }
      writeFrameHeader(
        buffer,
        end,
        FrameType.data,
        FrameFlag.end | FrameFlag.trailers,
        trailers.length,
        stream.id,
      );
      buffer.set(trailers, end + FRAME_HEADER_BYTES);
      end += FRAME_HEADER_BYTES + trailers.length;
    }
    if (ending) {
      stream.localEnded = true;
      this.#events.onEnded(stream);
    } else if (chunk === undefined) stream.handler.onTaken();
    else this.ready(stream);
    return end;
  }
}
