/** Two muxes joined by byte arrays: whoever drives decides what is written and delivered when. */
import assert from "node:assert/strict";
import { concat } from "../../src/bytes/mod.ts";
import {
  Mux,
  MUX_LIMITS,
  type MuxLimits,
  type MuxStream,
  type StreamHandler,
  type UnreadBudget,
} from "../../src/mux/mod.ts";
import {
  FrameReader,
  type FrameType,
  MAX_RECORD_BODY_BYTES,
  type ResetReason,
  streamClass,
  type StreamOpening,
} from "../../src/wire/mod.ts";

export const OPENING: StreamOpening = {
  class: streamClass("storage_fetch"),
  kind: "tcp",
  service: 0,
  viewer: "192.0.2.7:4711",
  requestId: "test",
};

/** A user of a stream that writes down what it is told and consumes when it is told to. */
export class StreamUser implements StreamHandler {
  stream!: MuxStream;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  unread = 0;
  ended = false;
  trailers: Uint8Array | undefined;
  reset: ResetReason | undefined;
  taken = 0;
  /** What a test wants to happen inside the calls. */
  inData: () => void = () => {};
  inEnd: () => void = () => {};
  inTaken: () => void = () => {};
  inReset: () => void = () => {};

  /** @param consumes whether every byte is returned at once */
  constructor(readonly consumes = false) {}

  onData(buffer: Uint8Array, start: number, end: number): void {
    assert.ok(!this.ended && this.reset === undefined, "data after the end");
    this.received.push(buffer.slice(start, end));
    this.receivedBytes += end - start;
    this.unread += end - start;
    this.inData();
    if (this.consumes) this.consume(this.unread);
  }
  onEnd(trailers: Uint8Array | undefined): void {
    assert.ok(!this.ended && this.reset === undefined, "a second end");
    this.ended = true;
    this.trailers = trailers;
    this.inEnd();
  }
  onReset(reason: ResetReason): void {
    assert.equal(this.reset, undefined, "a second reset");
    this.reset = reason;
    this.unread = 0;
    this.inReset();
  }
  onTaken(): void {
    this.taken++;
    this.inTaken();
  }
  consume(bytes: number): void {
    if (this.reset !== undefined) return;
    this.unread -= bytes;
    this.stream.consumed(bytes);
  }
  get bytes(): Uint8Array {
    return concat(...this.received);
  }
}

export interface SeenFrame {
  readonly type: FrameType;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

export class MuxEnd {
  readonly mux: Mux;
  /** Users of the streams that the peer opened, by id. */
  readonly accepted = new Map<number, StreamUser>();
  readonly channelFrames: { type: FrameType; payload: Uint8Array }[] = [];
  wakes = 0;
  /** Bodies on their way to this end. */
  readonly inbox: Uint8Array[] = [];
  /** Who takes a stream that the peer opens. */
  answer: (stream: MuxStream) => StreamUser | ResetReason = () => new StreamUser();

  constructor(initiator: boolean, limits: Partial<MuxLimits> = {}, unread?: UnreadBudget) {
    this.mux = new Mux({
      initiator,
      unread,
      limits: { ...MUX_LIMITS, ...limits },
      events: {
        wake: () => this.wakes++,
        onOpen: (stream) => {
          const answer = this.answer(stream);
          if (typeof answer === "string") return answer;
          answer.stream = stream;
          this.accepted.set(stream.id, answer);
          return answer;
        },
        onChannelFrame: (type, buffer, start, end) =>
          void this.channelFrames.push({ type, payload: buffer.slice(start, end) }),
      },
    });
  }

  open(user: StreamUser = new StreamUser(), opening: StreamOpening = OPENING): StreamUser {
    user.stream = this.mux.open(opening, user);
    return user;
  }

  /** The body of the next record; empty when there is nothing to say. */
  takeBody(now = 0, bytes = MAX_RECORD_BODY_BYTES): Uint8Array {
    const before = 13; // bodies never start at 0 in the core's memory
    const buffer = new Uint8Array(before + bytes);
    const end = this.mux.fill(buffer, before, before + bytes, now);
    assert.ok(end >= before && end <= buffer.length);
    return buffer.slice(before, end);
  }

  receive(body: Uint8Array): void {
    const buffer = concat(new Uint8Array(5), body);
    this.mux.receive(buffer, 5, buffer.length);
    buffer.fill(0xee); // views are valid during the call only
  }
}

export class MuxPair {
  readonly a: MuxEnd;
  readonly b: MuxEnd;
  now = 0;

  /** @param unread the bound that `a` shares with the ends of other pairs */
  constructor(limits: { a?: Partial<MuxLimits>; b?: Partial<MuxLimits> } = {}, unread?: UnreadBudget) {
    this.a = new MuxEnd(true, limits.a, unread);
    this.b = new MuxEnd(false, limits.b);
  }

  other(end: MuxEnd): MuxEnd {
    return end === this.a ? this.b : this.a;
  }

  /** Puts one record's body of `end` on its way. False when there was none. */
  send(end: MuxEnd, bytes = MAX_RECORD_BODY_BYTES): boolean {
    const body = end.takeBody(this.now, bytes);
    if (body.length > 0) this.other(end).inbox.push(body);
    return body.length > 0;
  }

  /** Delivers the oldest body on its way to `end`. */
  deliver(end: MuxEnd): boolean {
    const body = end.inbox.shift();
    if (body !== undefined) end.receive(body);
    return body !== undefined;
  }

  /** Sends and delivers until both have nothing to say. */
  settle(): void {
    for (let turn = 0;; turn++) {
      assert.ok(turn < 100_000, "the muxes never come to rest");
      let moved = false;
      for (const end of [this.a, this.b]) {
        moved = this.send(end) || moved;
        while (this.deliver(this.other(end))) moved = true;
      }
      if (!moved) return;
    }
  }
}

/** The frames of a body. */
export function framesOf(body: Uint8Array): SeenFrame[] {
  const reader = new FrameReader();
  const frames: SeenFrame[] = [];
  for (let at = 0; at < body.length; at = reader.payloadEnd) {
    reader.read(body, at, body.length);
    frames.push({
      type: reader.type,
      flags: reader.flags,
      stream: reader.stream,
      payload: body.slice(reader.payloadStart, reader.payloadEnd),
    });
  }
  return frames;
}

/** Bytes that tell their place: `count` of them, from `from` on. */
export function pattern(count: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i++) bytes[i] = ((from + i) * 31 + ((from + i) >>> 8)) & 0xff;
  return bytes;
}
