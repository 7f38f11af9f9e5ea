/**
 * Many streams in one run of frames each way. Sans-IO: `receive` takes opened record bodies, `fill` writes the next body;
 * `wake` is called when `fill` has something to write. Bytes are pulled: a stream's offered bytes stay with their owner
 * until `fill` copies them, once, behind a frame header, in the order that the scheduler decides.
 */
import { PosternError } from "../errors/mod.ts";
import {
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameReader,
  FrameType,
  MAX_DATA_BYTES,
  openingBytes,
  readOpening,
  resetNumber,
  type ResetReason,
  resetReason,
  type StreamOpening,
  writeFrameHeader,
  writeOpening,
} from "../wire/mod.ts";
import { CreditBudget, CreditLedger } from "./credit_ledger.ts";
import { CHANNEL_WINDOW_BYTES, type MuxLimits, STREAM_WINDOW_BYTES } from "./limits.ts";
import { Scheduler } from "./scheduler.ts";
import { MuxStream, type StreamHandler } from "./stream.ts";

/** What the mux asks of its channel. */
export interface MuxEvents {
  /** There is output: call `fill` soon. May be called often. */
  wake(): void;
  /** The peer opens a stream: returns who handles it, or why not. */
  onOpen(stream: MuxStream): StreamHandler | ResetReason;
  /** A frame of the channel itself that the mux does not handle: PING, PONG, GOAWAY, CONTROL, CLOSE. */
  onChannelFrame(type: FrameType, buffer: Uint8Array, start: number, end: number): void;
}

/** Free space below which `fill` does not start a DATA frame while others wait: tiny frames cost more than they carry. */
const MIN_DATA_BYTES = 512;

export class Mux {
  /** Latest round trip, for window tuning. */
  rttMs = 1;
  readonly #events: MuxEvents;
  readonly #limits: MuxLimits;
  readonly #streams = new Map<number, MuxStream>();
  readonly #scheduler = new Scheduler();
  readonly #reader = new FrameReader();
  readonly #sendCredit: CreditLedger;
  readonly #receiveCredit: CreditLedger;
  readonly #growth: CreditBudget;
  #control: Uint8Array[] = [];
  #starved: MuxStream[] = [];
  #nextId: number;
  #lastPeerId = 0;
  #peerStreams = 0;
  #now = 0;

  /** @param initiator the side that opened the channel uses odd stream ids */
  constructor(options: { initiator: boolean; limits: MuxLimits; events: MuxEvents }) {
    this.#events = options.events;
    this.#limits = options.limits;
    this.#nextId = options.initiator ? 1 : 2;
    const windowBytes = Math.max(options.limits.channelWindowBytes, CHANNEL_WINDOW_BYTES);
    this.#sendCredit = new CreditLedger(CHANNEL_WINDOW_BYTES);
    this.#receiveCredit = new CreditLedger(windowBytes);
    this.#growth = new CreditBudget(windowBytes / 2);
    if (windowBytes > CHANNEL_WINDOW_BYTES) {
      this.#sendNumber(FrameType.credit, 0, windowBytes - CHANNEL_WINDOW_BYTES, 4);
    }
  }

  /** Streams that are open now. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Whether `fill` would write something. */
  get pending(): boolean {
    return this.#control.length > 0 || (this.#scheduler.waiting > 0);
  }

  /** Opens a stream; nothing is on the wire before `fill`. Ids end at 2^31, after which the channel is to be renewed. */
  open(opening: StreamOpening, handler: StreamHandler): MuxStream {
    if (this.#nextId > 0x7fff_ffff) {
      throw new PosternError("peer_draining", "Cannot open stream: ids are used up");
    }
    const stream = this.#newStream(this.#nextId, opening, handler);
    this.#nextId += 2;
    const frame = new Uint8Array(FRAME_HEADER_BYTES + openingBytes(opening));
    writeFrameHeader(frame, 0, FrameType.open, 0, frame.length - FRAME_HEADER_BYTES, stream.id);
    writeOpening(frame, FRAME_HEADER_BYTES, opening);
    this.#pushControl(frame);
    return stream;
  }

  /** Queues a frame of the channel itself; it goes before all data. */
  sendChannelFrame(type: FrameType, payload: Uint8Array): void {
    const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
    writeFrameHeader(frame, 0, type, 0, payload.length, 0);
    frame.set(payload, FRAME_HEADER_BYTES);
    this.#pushControl(frame);
  }

  /**
   * Takes the frames at `[start, end)`.
   * @throws PosternError of the `frame_*`, `credit_*` and `stream_*` codes: the channel is then to be closed
   */
  receive(buffer: Uint8Array, start: number, end: number, now: number): void {
    this.#now = now;
    const reader = this.#reader;
    let at = start;
    while (at < end) {
      reader.read(buffer, at, end);
      at = reader.payloadEnd;
      this.#dispatch(reader, buffer);
    }
  }

  /** Writes frames into `[start, limit)` and returns where they end. */
  fill(buffer: Uint8Array, start: number, limit: number, now: number): number {
    this.#now = now;
    let at = this.#fillControl(buffer, start, limit);
    while (limit - at > FRAME_HEADER_BYTES + (at === start ? 0 : MIN_DATA_BYTES)) {
      const stream = this.#scheduler.take();
      if (stream === undefined) break;
      stream.queued = false;
      if (stream.gone) continue;
      at = this.#fillFrom(stream, buffer, at, limit);
    }
    return at;
  }

  /** Cuts every stream, telling its user `reason`. The channel is over. */
  abandon(reason: ResetReason): void {
    for (const stream of [...this.#streams.values()]) this.#forget(stream, reason);
    this.#control = [];
    this.#starved = [];
  }

  /** @internal A stream has bytes or an end to send. */
  ready(stream: MuxStream): void {
    if (stream.queued || stream.gone || stream.localEnded) return;
    stream.queued = true;
    this.#scheduler.add(stream);
    this.#events.wake();
  }

  /** @internal */
  resetStream(stream: MuxStream, reason: ResetReason): void {
    if (stream.cut) return;
    if (stream.gone) return this.#cut(stream); // both ends are done; only held bytes are left to give up
    this.#sendReset(stream.id, reason);
    this.#forget(stream, undefined);
  }

  /** @internal */
  consumed(stream: MuxStream, bytes: number): void {
    if (bytes === 0 || stream.cut) return; // a stream that was cut gave back all that it held
    const credit = stream.receiveCredit.consume(bytes, this.#now, this.rttMs);
    if (credit > 0 && !stream.remoteEnded && !stream.gone) {
      this.#sendNumber(FrameType.credit, stream.id, credit, 4);
    }
    this.#consumedByChannel(bytes);
  }

  #newStream(id: number, opening: StreamOpening, handler: StreamHandler): MuxStream {
    const receive = new CreditLedger(STREAM_WINDOW_BYTES, {
      maxWindowBytes: this.#limits.maxStreamWindowBytes,
      budget: this.#growth,
    });
    const stream = new MuxStream(this, id, opening, handler, new CreditLedger(STREAM_WINDOW_BYTES), receive);
    this.#streams.set(id, stream);
    return stream;
  }

  #dispatch(reader: FrameReader, buffer: Uint8Array): void {
    const { type: frameType, stream: id, payloadStart: start, payloadEnd: end } = reader;
    switch (frameType) {
      case FrameType.padding:
        return;
      case FrameType.open:
        return this.#receiveOpen(id, buffer, start, end);
      case FrameType.data:
        return this.#receiveData(id, reader.flags, buffer, start, end);
      case FrameType.reset:
        return this.#receiveReset(id, (buffer[start] << 8) | buffer[start + 1]);
      case FrameType.credit:
        return this.#receiveCreditFrame(id, readU32(buffer, start));
      case FrameType.ping:
      case FrameType.pong:
      case FrameType.goaway:
      case FrameType.control:
      case FrameType.close:
        return this.#events.onChannelFrame(frameType, buffer, start, end);
      default:
        frameType satisfies never;
    }
  }

  #receiveOpen(id: number, buffer: Uint8Array, start: number, end: number): void {
    if ((id & 1) === (this.#nextId & 1) || id <= this.#lastPeerId || id > 0x7fff_ffff) {
      throw new PosternError(
        "stream_id_reused",
        `Cannot open stream ${id}: the last one was ${this.#lastPeerId}`,
      );
    }
    const opening = readOpening(buffer, start, end);
    this.#lastPeerId = id;
    if (this.#peerStreams >= this.#limits.maxStreams) return this.#sendReset(id, "stream_limit");
    const stream = this.#newStream(id, opening, NO_HANDLER);
    this.#peerStreams++;
    const answer = this.#events.onOpen(stream);
    if (typeof answer === "string") this.resetStream(stream, answer);
    else stream.handler = answer;
  }

  #receiveData(id: number, flags: number, buffer: Uint8Array, start: number, end: number): void {
    const stream = this.#streams.get(id);
    const trailers = (flags & FrameFlag.trailers) !== 0;
    const bytes = trailers ? 0 : end - start;
    this.#receiveCredit.spend(bytes);
    if (stream === undefined) {
      this.#mustHaveExisted(id);
      return this.#consumedByChannel(bytes);
    }
    if (stream.remoteEnded) {
      throw new PosternError("stream_after_end", `Cannot take data: stream ${id} has ended`);
    }
    if (trailers && ((flags & FrameFlag.end) === 0 || end - start > MAX_TRAILER_BYTES)) {
      throw new PosternError("frame_bad_flags", `Cannot take trailers of stream ${id}: no end, or too long`);
    }
    stream.receiveCredit.spend(bytes);
    if (bytes > 0) stream.handler.onData(buffer, start, end);
    if ((flags & FrameFlag.end) !== 0 && !stream.gone) {
      stream.remoteEnded = true;
      stream.handler.onEnd(trailers ? buffer.slice(start, end) : undefined);
      this.#forgetIfEnded(stream);
    }
    if (this.#receiveCredit.available < this.#receiveCredit.windowBytes / 8) this.#relieve();
  }

  #receiveReset(id: number, reason: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#mustHaveExisted(id);
    this.#forget(stream, resetReason(reason));
  }

  #receiveCreditFrame(id: number, bytes: number): void {
    if (id === 0) {
      this.#sendCredit.grant(bytes);
      for (const stream of this.#starved.splice(0)) this.ready(stream);
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#mustHaveExisted(id);
    stream.sendCredit.grant(bytes);
    if (!stream.idle || stream.endWanted) this.ready(stream);
  }

  /** A frame may still come for a stream that we have forgotten, never for one that was not opened. */
  #mustHaveExisted(id: number): void {
    const ours = (id & 1) === (this.#nextId & 1);
    if (ours ? id >= this.#nextId : id > this.#lastPeerId) {
      throw new PosternError("frame_bad_stream", `Cannot take frame: stream ${id} was never opened`);
    }
  }

  /**
   * One reader must not hold up all the others: when the channel's window is nearly full of unread bytes, the stream that
   * holds most of them goes.
   */
  #relieve(): void {
    let worst: MuxStream | undefined;
    for (const stream of this.#streams.values()) {
      if (worst === undefined || stream.receiveCredit.held > worst.receiveCredit.held) worst = stream;
    }
    if (worst === undefined || worst.receiveCredit.held === 0) return;
    this.#sendReset(worst.id, "slow_consumer");
    this.#forget(worst, "slow_consumer");
  }

  #fillControl(buffer: Uint8Array, start: number, limit: number): number {
    let at = start;
    let taken = 0;
    for (const frame of this.#control) {
      if (at + frame.length > limit) break;
      buffer.set(frame, at);
      at += frame.length;
      taken++;
    }
    if (taken === this.#control.length) this.#control = [];
    else if (taken > 0) this.#control.splice(0, taken);
    return at;
  }

  /** Writes one DATA frame of the stream, and its end when it is due. */
  #fillFrom(stream: MuxStream, buffer: Uint8Array, at: number, limit: number): number {
    const allowance = this.#scheduler.allowance();
    const room = Math.min(limit - at - FRAME_HEADER_BYTES, MAX_DATA_BYTES, allowance);
    const credit = Math.min(stream.sendCredit.available, this.#sendCredit.available);
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
      if (stream.sendCredit.available > 0) this.#starved.push(stream);
      return at;
    }
    stream.sendCredit.spend(bytes);
    this.#sendCredit.spend(bytes);
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
      this.#forgetIfEnded(stream);
      stream.handler.onTaken();
    } else if (chunk === undefined) stream.handler.onTaken();
    else this.ready(stream);
    return end;
  }

  #forgetIfEnded(stream: MuxStream): void {
    if (stream.localEnded && stream.remoteEnded && !stream.gone) this.#remove(stream);
  }

  #forget(stream: MuxStream, reason: ResetReason | undefined): void {
    if (stream.gone) return;
    this.#remove(stream);
    this.#cut(stream);
    if (reason !== undefined) stream.handler.onReset(reason);
  }

  #remove(stream: MuxStream): void {
    stream.gone = true;
    this.#streams.delete(stream.id);
    if ((stream.id & 1) !== (this.#nextId & 1)) this.#peerStreams--;
    stream.receiveCredit.close();
  }

  /** Gives up what is waiting in either direction; the user drops what it holds. */
  #cut(stream: MuxStream): void {
    stream.cut = true;
    stream.drop();
    this.#consumedByChannel(stream.receiveCredit.held);
  }

  #consumedByChannel(bytes: number): void {
    if (bytes === 0) return;
    const credit = this.#receiveCredit.consume(bytes, this.#now, this.rttMs);
    if (credit > 0) this.#sendNumber(FrameType.credit, 0, credit, 4);
  }

  #sendReset(id: number, reason: ResetReason): void {
    this.#sendNumber(FrameType.reset, id, resetNumber(reason), 2);
  }

  #sendNumber(type: FrameType, id: number, number: number, bytes: 2 | 4): void {
    const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes);
    writeFrameHeader(frame, 0, type, 0, bytes, id);
    for (let i = 0; i < bytes; i++) frame[FRAME_HEADER_BYTES + i] = number >>> (8 * (bytes - 1 - i));
    this.#pushControl(frame);
  }

  #pushControl(frame: Uint8Array): void {
    if (this.#control.length >= this.#limits.maxWaitingControl) {
      throw new PosternError(
        "control_flood",
        `Cannot queue control frame: ${this.#control.length} wait already`,
      );
    }
    this.#control.push(frame);
    this.#events.wake();
  }
}

/** Longest HTTP trailer section in a DATA frame. */
const MAX_TRAILER_BYTES = 16_384;

const NO_HANDLER: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };

function readU32(buffer: Uint8Array, at: number): number {
  return ((buffer[at] << 24) | (buffer[at + 1] << 16) | (buffer[at + 2] << 8) | buffer[at + 3]) >>> 0;
}
