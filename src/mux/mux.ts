/**
 * Many streams in one run of frames each way. Sans-IO: `receive` takes opened record bodies, `fill` writes the next body;
 * `wake` is called when `fill` has something to write. Bytes are pulled: a stream's offered bytes stay with their owner
 * until `fill` copies them, once, behind a frame header, in the order that the scheduler decides.
 */
import { PosternError } from "../errors/mod.ts";
import {
  FrameFlag,
  FrameReader,
  FrameType,
  readOpening,
  type ResetReason,
  resetReason,
  type StreamOpening,
} from "../wire/mod.ts";
import { ControlQueue, CREDIT_FRAME_BYTES, writeCredit } from "./control_queue.ts";
import { CreditBudget, CreditLedger } from "./credit_ledger.ts";
import { CHANNEL_WINDOW_BYTES, MAX_TRAILER_BYTES, type MuxLimits, STREAM_WINDOW_BYTES } from "./limits.ts";
import { Sender } from "./sender.ts";
import { MuxStream, type StreamHandler } from "./stream.ts";
import { StreamTable } from "./stream_table.ts";
import type { UnreadBudget, UnreadMember } from "./unread_budget.ts";

/** What the mux asks of its channel. */
export interface MuxEvents {
  /** There is output: call `fill` soon. May be called often. */
  wake(): void;
  /** The peer opens a stream: returns who handles it, or why not. */
  onOpen(stream: MuxStream): StreamHandler | ResetReason;
  /** A frame of the channel itself that the mux does not handle: PING, PONG, GOAWAY, CONTROL, CLOSE. */
  onChannelFrame(type: FrameType, buffer: Uint8Array, start: number, end: number): void;
}

export class Mux implements UnreadMember {
  /** Latest round trip, for window tuning. */
  rttMs = 1;
  readonly #events: MuxEvents;
  readonly #limits: MuxLimits;
  readonly #streams = new StreamTable();
  readonly #control: ControlQueue;
  readonly #sender: Sender;
  readonly #reader = new FrameReader();
  readonly #receiveCredit: CreditLedger;
  readonly #growth: CreditBudget;
  /** Streams whose peer is to be granted credit; a set, so that a stream waits once. */
  readonly #creditDue = new Set<MuxStream>();
  /** Streams whose credit waits until there is less unread data in the process. */
  readonly #withheld = new Set<MuxStream>();
  #channelCreditDue = false;
  /** Streams that ended both ways while their user still holds bytes. */
  readonly #unread = new StreamTable();
  #nextId: number;
  #lastPeerId = 0;
  #peerStreams = 0;
  /** Undefined where nothing bounds all channels together, and when this one is over. */
  #budget: UnreadBudget | undefined;

  /**
   * @param initiator the side that opened the channel uses odd stream ids
   * @param unread the bound that this channel shares with others
   */
  constructor(
    options: { initiator: boolean; limits: MuxLimits; events: MuxEvents; unread?: UnreadBudget },
  ) {
    this.#events = options.events;
    this.#budget = options.unread;
    this.#budget?.join(this);
    this.#limits = options.limits;
    this.#nextId = options.initiator ? 1 : 2;
    const windowBytes = Math.max(options.limits.channelWindowBytes, CHANNEL_WINDOW_BYTES);
    this.#control = new ControlQueue(options.limits.maxWaitingControl, () => this.#events.wake());
    this.#sender = new Sender({
      wake: () => this.#events.wake(),
      onEnded: (stream) => this.#endedHere(stream),
    });
    this.#receiveCredit = new CreditLedger(windowBytes);
    this.#growth = new CreditBudget(windowBytes / 2);
    if (windowBytes > CHANNEL_WINDOW_BYTES) {
      this.#control.credit(windowBytes - CHANNEL_WINDOW_BYTES);
    }
  }

  /** Streams that are open now. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Bytes of the channel, all streams together: what may be sent, may arrive, waits for users, and may windows grow by. */
  get credit(): { sendable: number; receivable: number; unread: number; growth: number } {
    return {
      sendable: this.#sender.credit.available,
      receivable: this.#receiveCredit.available,
      unread: this.#receiveCredit.held,
      growth: this.#growth.left,
    };
  }

  /** Bytes that users of this channel's streams have not taken yet. */
  get unread(): number {
    return this.#receiveCredit.held;
  }

  /** Whether `fill` would write something. */
  get pending(): boolean {
    return !this.#control.isEmpty || this.#sender.pending || this.#channelCreditDue ||
      this.#creditDue.size > 0;
  }

  /**
   * Opens a stream; nothing is on the wire before `fill`. Ids end at 2^31, after which the channel is to be renewed.
   * @throws PosternError `peer_draining`, `unread_limit`, `control_flood`; RangeError for an opening that does not fit its frame
   */
  open(opening: StreamOpening, handler: StreamHandler): MuxStream {
    const id = this.#nextId;
    if (id > 0x7fff_ffff) throw new PosternError("peer_draining", "Cannot open stream: ids are used up");
    if (this.#budget?.refuses(this)) {
      throw new PosternError("unread_limit", "Cannot open stream: too much data waits for its readers", {
        detail: { unread: this.#budget.held },
      });
    }
    if (this.#control.isFull) throw this.#control.flood();
    this.#control.open(id, opening);
    this.#nextId += 2;
    return this.#newStream(id, opening, handler);
  }

  /** Queues a frame of the channel itself; it goes before all data. RangeError when it is longer than its type allows. */
  sendChannelFrame(type: FrameType, payload: Uint8Array): void {
    this.#control.channelFrame(type, payload);
  }

  /**
   * Takes the frames at `[start, end)`.
   * @throws PosternError `control_flood` or of the `frame_*`, `credit_*` and `stream_*` codes: the channel is then to be closed
   */
  receive(buffer: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    let at = start;
    while (at < end) {
      reader.read(buffer, at, end);
      at = reader.payloadEnd;
      this.#dispatch(reader, buffer);
      if (this.#control.isFlooded) throw this.#control.flood();
    }
  }

  /**
   * Writes frames into `[start, limit)`, which is to hold the longest control frame, and returns where they end.
   * @throws PosternError `control_flood`
   */
  fill(buffer: Uint8Array, start: number, limit: number, now: number): number {
    if (this.#control.isFlooded) throw this.#control.flood();
    let at = this.#control.fill(buffer, start, limit);
    // What waits may be the OPEN of a stream, which its data must not overtake.
    if (!this.#control.isEmpty) return at;
    at = this.#fillCredit(buffer, at, limit, now);
    return this.#sender.fill(buffer, start, at, limit);
  }

  /** Cuts every stream, telling its user `reason`, and drops what waits to be sent. The channel is over. */
  abandon(reason: ResetReason): void {
    for (const stream of [...this.#streams]) this.#forget(stream, reason);
    this.#control.clear();
    this.#sender.clear();
    this.#unread.clear();
    // What users return from now on is of no account any more.
    this.#budget?.leave(this, this.#receiveCredit.held);
    this.#budget = undefined;
  }

  /** @internal For {@link UnreadBudget}. */
  unpressed(): void {
    for (const stream of this.#withheld) this.#creditDue.add(stream);
    this.#withheld.clear();
    this.#events.wake();
  }

  /** @internal A stream has bytes or an end to send. */
  ready(stream: MuxStream): void {
    this.#sender.ready(stream);
  }

  /** @internal */
  resetStream(stream: MuxStream, reason: ResetReason): void {
    if (stream.cut) return;
    if (stream.gone) { // both ends are done; only held bytes are left to give up
      this.#cut(stream);
      return this.#letGo(stream);
    }
    this.#control.reset(stream.id, reason);
    this.#forget(stream, undefined);
  }

  /** @internal */
  consumed(stream: MuxStream, bytes: number): void {
    if (bytes === 0 || stream.cut) return; // a stream that was cut gave back all that it held
    const due = stream.receiveCredit.consume(bytes);
    if (due && !stream.remoteEnded && !stream.gone) {
      this.#creditDue.add(stream);
      this.#events.wake();
    }
    if (stream.gone && stream.receiveCredit.held === 0) {
      this.#unread.delete(stream.id);
      this.#letGo(stream);
    }
    this.#consumedByChannel(bytes);
  }

  #newStream(id: number, opening: StreamOpening, handler: StreamHandler): MuxStream {
    const receive = new CreditLedger(STREAM_WINDOW_BYTES, {
      maxWindowBytes: this.#limits.maxStreamWindowBytes,
      budget: this.#growth,
    });
    const stream = new MuxStream(this, id, opening, handler, new CreditLedger(STREAM_WINDOW_BYTES), receive);
    this.#streams.add(stream);
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
    if (this.#peerStreams >= this.#limits.maxStreams) return this.#control.reset(id, "stream_limit");
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
    this.#budget?.take(bytes);
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
      this.#letGo(stream);
    }
    const channel = this.#receiveCredit;
    if (channel.available < channel.windowBytes / 8) this.#relieveChannel();
    if (this.#budget?.isFull) this.#budget.relieve();
  }

  #receiveReset(id: number, reason: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#mustHaveExisted(id);
    this.#forget(stream, resetReason(reason));
  }

  #receiveCreditFrame(id: number, bytes: number): void {
    if (id === 0) return this.#sender.grant(bytes);
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
   * holds most of them goes, also one that has ended and whose bytes are still under way to its user.
   */
  #relieveChannel(): void {
    const { held, windowBytes } = this.#receiveCredit;
    if (held < windowBytes * RELIEF_SHARE) {
      this.#channelCreditDue = true; // not unread, only not granted yet: half a window was not won
      return this.#events.wake();
    }
    this.relieve();
  }

  /** @internal Cuts the stream that holds most unread bytes. */
  relieve(): void {
    let worst: MuxStream | undefined;
    for (const streams of [this.#streams, this.#unread]) {
      for (const stream of streams) {
        if (worst === undefined || stream.receiveCredit.held > worst.receiveCredit.held) worst = stream;
      }
    }
    if (worst === undefined || worst.receiveCredit.held === 0) return;
    if (!worst.gone) {
      this.#control.reset(worst.id, "slow_consumer");
      return this.#forget(worst, "slow_consumer");
    }
    this.#cut(worst);
    worst.handler.onReset("slow_consumer");
    this.#letGo(worst);
  }

  /** Writes the CREDIT frames that are due, the channel's first: it is everybody's. */
  #fillCredit(buffer: Uint8Array, at: number, limit: number, now: number): number {
    if (this.#channelCreditDue && limit - at >= CREDIT_FRAME_BYTES) {
      this.#channelCreditDue = false;
      const credit = this.#receiveCredit.refill(now, this.rttMs);
      if (credit > 0) at = writeCredit(buffer, at, 0, credit);
    }
    const pressed = this.#budget?.isPressed ?? false;
    for (const stream of this.#creditDue) {
      if (limit - at < CREDIT_FRAME_BYTES) break;
      this.#creditDue.delete(stream);
      const { held, windowBytes } = stream.receiveCredit;
      if (pressed && held > windowBytes * QUICK_SHARE) { // who keeps up is served on
        this.#withheld.add(stream);
        this.#budget!.wait(this);
        continue;
      }
      const credit = stream.remoteEnded ? 0 : stream.receiveCredit.refill(now, this.rttMs, !pressed);
      if (credit > 0) at = writeCredit(buffer, at, stream.id, credit);
    }
    return at;
  }

  #endedHere(stream: MuxStream): void {
    this.#forgetIfEnded(stream);
    stream.handler.onTaken();
    this.#letGo(stream);
  }

  #forgetIfEnded(stream: MuxStream): void {
    if (stream.localEnded && stream.remoteEnded && !stream.gone) this.#remove(stream);
  }

  #forget(stream: MuxStream, reason: ResetReason | undefined): void {
    if (stream.gone) return;
    this.#remove(stream);
    this.#cut(stream);
    if (reason !== undefined) stream.handler.onReset(reason);
    this.#letGo(stream);
  }

  /**
   * Parts a stream that nothing more is told about from its user, so that neither keeps the other's memory.
   */
  #letGo(stream: MuxStream): void {
    if (stream.gone && !this.#unread.has(stream.id)) stream.handler = NO_HANDLER;
  }

  #remove(stream: MuxStream): void {
    stream.gone = true;
    this.#streams.delete(stream.id);
    if ((stream.id & 1) !== (this.#nextId & 1)) this.#peerStreams--;
    stream.receiveCredit.close();
    this.#creditDue.delete(stream);
    this.#withheld.delete(stream);
    this.#sender.forget(stream);
    if (stream.receiveCredit.held > 0) this.#unread.add(stream);
  }

  /** Gives up what is waiting in either direction; the user drops what it holds. */
  #cut(stream: MuxStream): void {
    stream.cut = true;
    stream.drop();
    this.#unread.delete(stream.id);
    this.#consumedByChannel(stream.receiveCredit.held);
  }

  #consumedByChannel(bytes: number): void {
    this.#budget?.give(bytes);
    if (bytes === 0 || !this.#receiveCredit.consume(bytes)) return;
    this.#channelCreditDue = true;
    this.#events.wake();
  }
}

/** Share of the channel's window that unread bytes may fill before the stream that holds most of them is cut. */
const RELIEF_SHARE = 7 / 8;

/** Share of its window that a stream may hold under pressure and still get credit. */
const QUICK_SHARE = 1 / 4;

const NO_HANDLER: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };

function readU32(buffer: Uint8Array, at: number): number {
  return ((buffer[at] << 24) | (buffer[at + 1] << 16) | (buffer[at + 2] << 8) | buffer[at + 3]) >>> 0;
}
