/**
 * The receiving half of a connection: from bytes to frames whose shape is right (RFC 9113 4 and 6). What they mean to the
 * streams is its sink's to know. Header blocks come whole, DATA as it comes, so that a frame need not fit into the buffer.
 *
 * ```
 *   preface -> SETTINGS -> frame --- HEADERS without END_HEADERS ---> CONTINUATION only, until END_HEADERS ---> frame
 *                            +------ DATA ---> its payload, then its padding ---> frame
 * ```
 */
import { connectionError } from "./error.ts";
import {
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  PREFACE,
  readUint32,
} from "./frame.ts";
import { MAX_BLOCK_BYTES, MAX_CONTINUATIONS } from "./limits.ts";

/** Who is told of frames. What a call throws ends the connection. */
export interface FrameSink {
  /** A header block, all of it; valid during the call. */
  onHeaders(streamId: number, endStream: boolean, block: Uint8Array): void;
  /** DATA begins: `length` counts against the windows, `bytes` of that are a part of the body and are to come. */
  onDataStart(streamId: number, length: number, bytes: number, endStream: boolean): void;
  /** A part of the body at `[start, end)`. */
  onData(buffer: Uint8Array, start: number, end: number): void;
  /** DATA has ended. */
  onDataEnd(endStream: boolean): void;
  onReset(streamId: number): void;
  onSetting(id: number, value: number): void;
  /** All entries of a SETTINGS frame were told: it is to be acknowledged. */
  onSettingsEnd(): void;
  onWindowUpdate(streamId: number, increment: number): void;
  onPing(payload: Uint8Array): void;
  /** A frame that asks for work and brings no request: PING, PRIORITY, SETTINGS, GOAWAY or unknown. Told before what it says. */
  onIdleFrame(): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  #sawPreface = false;
  #sawSettings = false;
  /** The header block under way, as far as it has come; undefined when there is none. */
  #block: Uint8Array | undefined;
  #blockStream = 0;
  #blockEndsStream = false;
  #continuations = 0;
  /** Whether DATA is under way; bytes of its body and of its padding that are to come. */
  #inData = false;
  #dataLeft = 0;
  #paddingLeft = 0;
  #dataEndsStream = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether a header block has begun and is not whole. */
  get hasOpenBlock(): boolean {
    return this.#block !== undefined;
  }

  /**
   * Takes the preface, one frame, or a part of DATA, from `at`: the offset behind it, or -1 when more is needed. Throws
   * `h2_protocol_violation`, `h2_frame_size`, `h2_header_flood`, `h2_control_flood`, and what the sink throws.
   */
  next(buffer: Uint8Array, at: number, end: number): number {
    if (!this.#sawPreface) return this.#readPreface(buffer, at, end);
    if (this.#inData) return this.#readData(buffer, at, end);
    if (end - at < FRAME_HEADER_BYTES) return -1;
    const length = (buffer[at] << 16) | (buffer[at + 1] << 8) | buffer[at + 2];
    const type = buffer[at + 3];
    const flags = buffer[at + 4];
    const streamId = readUint32(buffer, at + 5) & MAX_STREAM_ID;
    if (length > MAX_FRAME_BYTES) throw connectionError("h2_frame_size", `a frame has ${length} bytes`);
    if (!this.#sawSettings && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      throw connectionError("h2_protocol_violation", "the preface is not followed by SETTINGS");
    }
    if (this.#block !== undefined && (type !== FrameType.continuation || streamId !== this.#blockStream)) {
      throw connectionError("h2_protocol_violation", "a header block is interrupted");
    }
    const payload = at + FRAME_HEADER_BYTES;
    if (type === FrameType.data) return this.#readDataStart(buffer, payload, end, length, flags, streamId);
    if (end - payload < length) return -1;
    this.#readFrame(type, flags, streamId, buffer.subarray(payload, payload + length));
    return payload + length;
  }

  #readPreface(buffer: Uint8Array, at: number, end: number): number {
    const there = Math.min(PREFACE.length, end - at);
    for (let index = 0; index < there; index++) {
      if (buffer[at + index] !== PREFACE.charCodeAt(index)) {
        throw connectionError("h2_protocol_violation", "the client's preface is malformed");
      }
    }
    if (there < PREFACE.length) return -1;
    this.#sawPreface = true;
    return at + there;
  }

  #readFrame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.headers:
        return this.#readHeaders(flags, streamId, payload);
      case FrameType.continuation:
        return this.#readContinuation(flags, payload);
      case FrameType.rstStream:
        expectLength(payload, 4, "RST_STREAM");
        return this.#sink.onReset(streamId);
      case FrameType.settings:
        return this.#readSettings(flags, streamId, payload);
      case FrameType.windowUpdate:
        expectLength(payload, 4, "WINDOW_UPDATE");
        return this.#sink.onWindowUpdate(streamId, readUint32(payload, 0) & MAX_WINDOW_BYTES);
      case FrameType.ping:
        if (streamId !== 0) throw connectionError("h2_protocol_violation", "PING names a stream");
        expectLength(payload, 8, "PING");
        this.#sink.onIdleFrame();
        if ((flags & Flag.ack) === 0) this.#sink.onPing(payload);
        return;
      case FrameType.pushPromise:
        throw connectionError("h2_protocol_violation", "a client cannot push");
      case FrameType.goaway:
        if (streamId !== 0) throw connectionError("h2_protocol_violation", "GOAWAY names a stream");
        if (payload.length < 8) throw connectionError("h2_frame_size", "GOAWAY is too short");
        return this.#sink.onIdleFrame();
      case FrameType.priority:
        if (streamId === 0) throw connectionError("h2_protocol_violation", "PRIORITY names no stream");
        expectLength(payload, 5, "PRIORITY");
        refuseSelf(payload, streamId);
        return this.#sink.onIdleFrame();
      default: // 4.1: unknown types are ignored, though not without end
        return this.#sink.onIdleFrame();
    }
  }

  #readHeaders(flags: number, streamId: number, payload: Uint8Array): void {
    if (streamId === 0) throw connectionError("h2_protocol_violation", "HEADERS names no stream");
    if (streamId % 2 === 0) throw connectionError("h2_protocol_violation", "a client's stream is even");
    let fragment = unpadded(payload, flags);
    if ((flags & Flag.priority) !== 0) {
      if (fragment.length < 5) throw connectionError("h2_frame_size", "HEADERS is too short");
      refuseSelf(fragment, streamId);
      fragment = fragment.subarray(5);
    }
    const endStream = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return this.#sink.onHeaders(streamId, endStream, fragment);
    this.#block = fragment.slice();
    this.#blockStream = streamId;
    this.#blockEndsStream = endStream;
    this.#continuations = 0;
  }

  #readContinuation(flags: number, payload: Uint8Array): void {
    const block = this.#block;
    if (block === undefined) {
      throw connectionError("h2_protocol_violation", "CONTINUATION follows no header block");
    }
    const bytes = block.length + payload.length;
    if (bytes > MAX_BLOCK_BYTES || ++this.#continuations > MAX_CONTINUATIONS) {
      throw connectionError("h2_header_flood", "a header block does not end");
    }
    const joined = new Uint8Array(bytes);
    joined.set(block);
    joined.set(payload, block.length);
    if ((flags & Flag.endHeaders) === 0) {
      this.#block = joined;
      return;
    }
    this.#block = undefined;
    this.#sink.onHeaders(this.#blockStream, this.#blockEndsStream, joined);
  }

  #readSettings(flags: number, streamId: number, payload: Uint8Array): void {
    if (streamId !== 0) throw connectionError("h2_protocol_violation", "SETTINGS names a stream");
    if (payload.length % 6 !== 0) throw connectionError("h2_frame_size", "SETTINGS is cut");
    if (payload.length > 6 * MAX_SETTINGS) {
      throw connectionError("h2_control_flood", "SETTINGS has too many entries");
    }
    this.#sink.onIdleFrame();
    if ((flags & Flag.ack) !== 0) return expectLength(payload, 0, "SETTINGS with ACK");
    this.#sawSettings = true;
    for (let at = 0; at < payload.length; at += 6) {
      this.#sink.onSetting((payload[at] << 8) | payload[at + 1], readUint32(payload, at + 2));
    }
    this.#sink.onSettingsEnd();
  }

  #readDataStart(
    buffer: Uint8Array,
    at: number,
    end: number,
    length: number,
    flags: number,
    streamId: number,
  ): number {
    if (streamId === 0) throw connectionError("h2_protocol_violation", "DATA names no stream");
    let padding = 0;
    let left = length;
    if ((flags & Flag.padded) !== 0) {
      if (length === 0) throw connectionError("h2_frame_size", "padded DATA is empty");
      if (at >= end) return -1;
      padding = buffer[at++];
      left -= 1 + padding;
      if (left < 0) throw connectionError("h2_protocol_violation", "padding is longer than its frame");
    }
    const endStream = (flags & Flag.endStream) !== 0;
    this.#sink.onDataStart(streamId, length, left, endStream);
    this.#inData = true;
    this.#dataLeft = left;
    this.#paddingLeft = padding;
    this.#dataEndsStream = endStream;
    return at;
  }

  #readData(buffer: Uint8Array, at: number, end: number): number {
    const part = Math.min(this.#dataLeft, end - at);
    if (part > 0) {
      this.#dataLeft -= part;
      this.#sink.onData(buffer, at, at + part);
      at += part;
    }
    const padding = this.#dataLeft === 0 ? Math.min(this.#paddingLeft, end - at) : 0;
    this.#paddingLeft -= padding;
    at += padding;
    if (this.#dataLeft > 0 || this.#paddingLeft > 0) return part + padding > 0 ? at : -1;
    this.#inData = false;
    this.#sink.onDataEnd(this.#dataEndsStream);
    return at;
  }
}

/** Entries of one SETTINGS frame: each may touch every stream. */
const MAX_SETTINGS = 32;

/** A payload without its padding and the octet that says how much. */
function unpadded(payload: Uint8Array, flags: number): Uint8Array {
  if ((flags & Flag.padded) === 0) return payload;
  if (payload.length === 0) throw connectionError("h2_frame_size", "a padded frame is empty");
  const end = payload.length - payload[0];
  if (end < 1) throw connectionError("h2_protocol_violation", "padding is longer than its frame");
  return payload.subarray(1, end);
}

/** RFC 7540 5.3.1. Priorities are of no effect here, but who sends this one is broken. */
function refuseSelf(payload: Uint8Array, streamId: number): void {
  if ((readUint32(payload, 0) & MAX_STREAM_ID) === streamId) {
    throw connectionError("h2_protocol_violation", "a stream depends on itself");
  }
}

function expectLength(payload: Uint8Array, bytes: number, name: string): void {
  if (payload.length !== bytes) throw connectionError("h2_frame_size", `${name} has ${payload.length} bytes`);
}
