/**
 * The server's end of one HTTP/2 connection (RFC 9113) without IO: bytes in by `receive`, bytes out to an
 * {@link Http2Output}, streams to a handler. The driver calls `pump` after `wake`, and whenever its output has room.
 *
 * ```
 *   preface -> SETTINGS -> open --- shutdown() ---> GOAWAY(2^31-1) sent --- finish() ---> GOAWAY(last id) sent, no new streams
 *                            |                                                               |  no stream left
 *                            +------- violation: GOAWAY(code) ---> over <--------------------+
 * ```
 */
import { PosternError } from "../errors/mod.ts";
import type { HeaderList } from "../http1/mod.ts";
import { connectionError, numberOf } from "./error.ts";
import {
  DEFAULT_WINDOW_BYTES,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  goaway,
  H2Error,
  type H2ErrorNumber,
  LARGEST_FRAME_SETTING,
  MAX_FRAME_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  PREFACE,
  readUint32,
  SettingId,
  settingsPayload,
  uint32,
} from "./frame.ts";
import { HeaderBlock } from "./header_block.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import { Allowance, type Http2Limits, MAX_BLOCK_BYTES, MAX_CONTINUATIONS } from "./limits.ts";
import { type Http2Output, Sender } from "./sender.ts";
import { Http2Stream } from "./stream.ts";

/** Who uses the connection. */
export interface Http2Handler {
  /** A request's head is there; set the stream's handler before this returns. */
  onRequest(stream: Http2Stream, block: HeaderBlock): void;
  /** Call `pump` soon: more than one stream may ask in one turn. */
  wake(): void;
}

/** A header block under way: HEADERS came, CONTINUATION follows. */
interface OpenBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  bytes: Uint8Array;
  continuations: number;
}

/** DATA under way; without a stream it is thrown away. */
interface OpenData {
  readonly stream: Http2Stream | undefined;
  /** Bytes of the body, and of padding, that are to come. */
  left: number;
  padding: number;
  readonly end: boolean;
}

export class Http2Connection {
  readonly #limits: Http2Limits;
  readonly #handler: Http2Handler;
  readonly #decoder = new HpackDecoder();
  readonly #sender: Sender;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #resets: Allowance;
  readonly #controlFrames: Allowance;
  #sawPreface = false;
  #sawSettings = false;
  #lastStreamId = 0;
  #block: OpenBlock | undefined;
  #data: OpenData | undefined;
  #receiveWindow: number;
  #consumed = 0;
  #now = 0;
  /** New streams above are refused. */
  #finishedAt: number | undefined;
  #failed: PosternError | undefined;

  constructor(limits: Http2Limits, output: Http2Output, handler: Http2Handler) {
    this.#limits = limits;
    this.#handler = handler;
    this.#sender = new Sender(output, {
      wake: () => handler.wake(),
      onEnded: (stream) => this.#endedHere(stream),
    });
    this.#resets = new Allowance(limits.resets);
    this.#controlFrames = new Allowance(limits.controlFrames);
    this.#receiveWindow = limits.connectionWindowBytes;
  }

  /** Streams that are not over. */
  get openStreams(): number {
    return this.#streams.size;
  }
  get streams(): Iterable<Http2Stream> {
    return this.#streams.values();
  }
  /** Requests so far. */
  get requests(): number {
    return (this.#lastStreamId + 1) >>> 1;
  }
  /** Whether a frame or a header block other than DATA has begun and is not whole; while it is so, a deadline is due. */
  get hasOpenBlock(): boolean {
    return this.#block !== undefined;
  }
  /** Whether {@link finish} was called or the connection has failed. */
  get isFinishing(): boolean {
    return this.#finishedAt !== undefined || this.#failed !== undefined;
  }
  /** Why the connection is over, if it failed. */
  get failed(): PosternError | undefined {
    return this.#failed;
  }

  /** Sends SETTINGS: the server's preface. Call first. */
  start(): void {
    const limits = this.#limits;
    this.#sender.control(
      FrameType.settings,
      0,
      0,
      settingsPayload([
        [SettingId.maxConcurrentStreams, limits.maxConcurrentStreams],
        [SettingId.initialWindowSize, limits.streamWindowBytes],
        [SettingId.maxHeaderListSize, limits.maxHeaderListBytes],
        [SettingId.enableConnectProtocol, 1],
      ]),
    );
    const more = limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES;
    if (more > 0) this.#sender.grant(0, more);
  }

  /**
   * Takes what it can of `[start, end)` and returns where the rest begins: a frame that is not whole. Never throws: a
   * violation is answered with GOAWAY, and `failed` tells. @param now monotonic, in ms
   */
  receive(buffer: Uint8Array, start: number, end: number, now: number): number {
    this.#now = now;
    let at = start;
    try {
      while (this.#failed === undefined) {
        const next = this.#next(buffer, at, end);
        if (next < 0) break;
        at = next;
      }
    } catch (error) {
      this.fail(error);
    }
    return this.#failed === undefined ? at : end;
  }

  /** Ends the connection with GOAWAY; every stream is cut. */
  fail(error: unknown): void {
    if (this.#failed !== undefined) return;
    const known = error instanceof PosternError
      ? error
      : new PosternError("internal_error", undefined, { cause: error });
    this.#failed = known;
    this.#goaway(this.#lastStreamId, numberOf(known.code), known.code);
    this.abandon();
  }

  /** The connection is gone: every stream is cut, nothing is sent. */
  abandon(): void {
    for (const stream of this.#streams.values()) this.#drop(stream, true);
    this.#streams.clear();
    this.#sender.clear();
  }

  /** Asks the peer to begin no further streams; those that are on their way are served (6.8). */
  shutdown(): void {
    if (!this.isFinishing) this.#goaway(MAX_STREAM_ID, H2Error.noError, "");
  }

  /** Serves the streams that are there, and no further ones. */
  finish(): void {
    if (this.isFinishing) return;
    this.#finishedAt = this.#lastStreamId;
    this.#goaway(this.#lastStreamId, H2Error.noError, "");
  }

  /** Sends what windows and output allow, a frame of each stream in turn. */
  pump(): void {
    this.#sender.pump();
  }

  /** @internal */
  wantsToSend(stream: Http2Stream): void {
    this.#sender.wants(stream);
  }

  /** @internal */
  sendHead(stream: Http2Stream, status: number, fields: HeaderList, end: boolean): void {
    this.#sender.head(stream, status, fields, end);
  }

  /** @internal */
  resetStream(stream: Http2Stream, code: H2ErrorNumber): void {
    if (stream.closed) return;
    this.#sender.control(FrameType.rstStream, 0, stream.id, uint32(code));
    this.#close(stream, false);
  }

  /** @internal Bytes of a request were read: the peer may send as many again. */
  consumed(stream: Http2Stream, bytes: number): void {
    this.#returnCredit(bytes);
    if (stream.remoteEnded || stream.closed) return;
    stream.consumed += bytes;
    if (stream.consumed < stream.windowBytes / 2) return;
    // Who reads everything at once is held up by the window, so it grows (as far as all may).
    if (stream.unread === 0) {
      const grown = Math.min(2 * stream.windowBytes, this.#limits.maxStreamWindowBytes);
      stream.consumed += grown - stream.windowBytes;
      stream.windowBytes = grown;
    }
    this.#sender.grant(stream.id, stream.consumed);
    stream.receiveWindow += stream.consumed;
    stream.consumed = 0;
  }

  #returnCredit(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed < this.#limits.connectionWindowBytes / 2 || this.#failed !== undefined) return;
    this.#sender.grant(0, this.#consumed);
    this.#receiveWindow += this.#consumed;
    this.#consumed = 0;
  }

  /** One frame, or a part of DATA; the offset behind it, or -1 when more is needed. */
  #next(buffer: Uint8Array, at: number, end: number): number {
    if (!this.#sawPreface) return this.#readPreface(buffer, at, end);
    if (this.#data !== undefined) return this.#readData(this.#data, buffer, at, end);
    if (end - at < FRAME_HEADER_BYTES) return -1;
    const length = (buffer[at] << 16) | (buffer[at + 1] << 8) | buffer[at + 2];
    const type = buffer[at + 3];
    const flags = buffer[at + 4];
    const streamId = readUint32(buffer, at + 5) & MAX_STREAM_ID;
    if (length > MAX_FRAME_BYTES) throw connectionError("h2_frame_size", `a frame has ${length} bytes`);
    if (!this.#sawSettings && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      throw connectionError("h2_protocol_violation", "the preface is not followed by SETTINGS");
    }
    if (this.#block !== undefined && (type !== FrameType.continuation || streamId !== this.#block.streamId)) {
      throw connectionError("h2_protocol_violation", "a header block is interrupted");
    }
    const payload = at + FRAME_HEADER_BYTES;
    if (type === FrameType.data) return this.#openData(buffer, payload, end, length, flags, streamId);
    if (end - payload < length) return -1;
    this.#frame(type, flags, streamId, buffer.subarray(payload, payload + length));
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

  #frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.headers:
        return this.#onHeaders(flags, streamId, payload);
      case FrameType.continuation:
        return this.#onContinuation(flags, payload);
      case FrameType.rstStream:
        return this.#onReset(streamId, payload);
      case FrameType.settings:
        return this.#onSettings(flags, streamId, payload);
      case FrameType.windowUpdate:
        return this.#onWindowUpdate(streamId, payload);
      case FrameType.ping:
        if (streamId !== 0) throw connectionError("h2_protocol_violation", "PING names a stream");
        expectLength(payload, 8, "PING");
        this.#spend();
        if ((flags & Flag.ack) === 0) this.#sender.control(FrameType.ping, Flag.ack, 0, payload);
        return;
      case FrameType.pushPromise:
        throw connectionError("h2_protocol_violation", "a client cannot push");
      case FrameType.goaway:
        if (streamId !== 0) throw connectionError("h2_protocol_violation", "GOAWAY names a stream");
        if (payload.length < 8) throw connectionError("h2_frame_size", "GOAWAY is too short");
        return this.#spend();
      case FrameType.priority:
        if (streamId === 0) throw connectionError("h2_protocol_violation", "PRIORITY names no stream");
        expectLength(payload, 5, "PRIORITY");
        return this.#spend();
      default: // 4.1: unknown types are ignored, though not without end
        return this.#spend();
    }
  }

  /** A frame that asks for work and brings none. */
  #spend(): void {
    if (!this.#controlFrames.take(this.#now)) {
      throw connectionError("h2_control_flood", "too many frames that carry no request");
    }
  }

  #onHeaders(flags: number, streamId: number, payload: Uint8Array): void {
    if (streamId === 0) throw connectionError("h2_protocol_violation", "HEADERS names no stream");
    if (streamId % 2 === 0) throw connectionError("h2_protocol_violation", "a client's stream is even");
    let fragment = unpadded(payload, flags);
    if ((flags & Flag.priority) !== 0) {
      if (fragment.length < 5) throw connectionError("h2_frame_size", "HEADERS is too short");
      fragment = fragment.subarray(5);
    }
    const block: OpenBlock = {
      streamId,
      endStream: (flags & Flag.endStream) !== 0,
      bytes: fragment,
      continuations: 0,
    };
    if ((flags & Flag.endHeaders) !== 0) return this.#onBlock(block);
    block.bytes = fragment.slice();
    this.#block = block;
  }

  #onContinuation(flags: number, payload: Uint8Array): void {
    const block = this.#block;
    if (block === undefined) {
      throw connectionError("h2_protocol_violation", "CONTINUATION follows no header block");
    }
    const bytes = block.bytes.length + payload.length;
    if (bytes > MAX_BLOCK_BYTES || ++block.continuations > MAX_CONTINUATIONS) {
      throw connectionError("h2_header_flood", "a header block does not end");
    }
    const joined = new Uint8Array(bytes);
    joined.set(block.bytes);
    joined.set(payload, block.bytes.length);
    block.bytes = joined;
    if ((flags & Flag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#onBlock(block);
  }

  #onBlock({ streamId, endStream, bytes }: OpenBlock): void {
    const block = new HeaderBlock(this.#limits);
    // Whatever becomes of the stream, the table is shared: every block is decoded.
    this.#decoder.decode(bytes, 0, bytes.length, (name, value) => block.add(name, value));
    const known = this.#streams.get(streamId);
    if (known !== undefined) return this.#onTrailers(known, block, endStream);
    if (streamId <= this.#lastStreamId) return this.#spend(); // cut by us while this was on its way, or by the peer
    this.#lastStreamId = streamId;
    if (this.#finishedAt !== undefined || this.#streams.size >= this.#limits.maxConcurrentStreams) {
      this.#spend();
      return this.#sender.control(FrameType.rstStream, 0, streamId, uint32(H2Error.refusedStream));
    }
    const stream = new Http2Stream(
      this,
      streamId,
      this.#sender.initialWindow,
      this.#limits.streamWindowBytes,
    );
    this.#streams.set(streamId, stream);
    stream.remoteEnded = endStream;
    this.#handler.onRequest(stream, block);
  }

  #onTrailers(stream: Http2Stream, block: HeaderBlock, endStream: boolean): void {
    if (stream.remoteEnded) return this.#violate(stream, H2Error.streamClosed);
    if (!endStream) return this.#violate(stream, H2Error.protocol);
    stream.trailers = block;
    this.#endedThere(stream);
  }

  /** The peer broke the rules of one stream. It counts like a reset of its own: each costs as much. */
  #violate(stream: Http2Stream, code: H2ErrorNumber): void {
    this.#sender.control(FrameType.rstStream, 0, stream.id, uint32(code));
    this.#close(stream, true);
    this.#countReset();
  }

  #countReset(): void {
    if (!this.#resets.take(this.#now)) {
      throw connectionError("h2_rapid_reset", "too many requests were cut before their answer");
    }
  }

  /** The header of DATA: its payload is taken as it comes, so a frame need not fit into the buffer. */
  #openData(
    buffer: Uint8Array,
    at: number,
    end: number,
    length: number,
    flags: number,
    streamId: number,
  ): number {
    if (streamId === 0) throw connectionError("h2_protocol_violation", "DATA names no stream");
    if (streamId > this.#lastStreamId) {
      throw connectionError("h2_protocol_violation", "DATA of an idle stream");
    }
    let padding = 0;
    let left = length;
    if ((flags & Flag.padded) !== 0) {
      if (length === 0) throw connectionError("h2_frame_size", "padded DATA is empty");
      if (at >= end) return -1;
      padding = buffer[at++];
      left -= 1 + padding;
      if (left < 0) throw connectionError("h2_protocol_violation", "padding is longer than its frame");
    }
    if (length > this.#receiveWindow) throw connectionError("h2_flow_control", "DATA is beyond the window");
    this.#receiveWindow -= length;
    const ended = (flags & Flag.endStream) !== 0;
    let stream = this.#streams.get(streamId);
    if (stream === undefined) this.#spend(); // cut by us while this was on its way
    else if (stream.remoteEnded || length > stream.receiveWindow) {
      this.#violate(stream, stream.remoteEnded ? H2Error.streamClosed : H2Error.flowControl);
      stream = undefined;
    } else stream.receiveWindow -= length;
    if (left === 0 && !ended) this.#spend();
    // Padding, and what nobody reads, is credit at once.
    const lost = stream === undefined ? length : length - left;
    if (lost > 0 && stream !== undefined) this.consumed(stream, lost);
    else if (lost > 0) this.#returnCredit(lost);
    this.#data = { stream, left, padding, end: ended };
    return at;
  }

  #readData(data: OpenData, buffer: Uint8Array, at: number, end: number): number {
    const part = Math.min(data.left, end - at);
    if (part > 0) {
      data.left -= part;
      const { stream } = data;
      if (stream !== undefined && !stream.closed) {
        stream.receivedBytes += part;
        stream.keep(buffer, at, at + part);
        stream.handler?.onReadable();
      } else if (stream !== undefined) this.#returnCredit(part);
      at += part;
    }
    const padding = data.left === 0 ? Math.min(data.padding, end - at) : 0;
    data.padding -= padding;
    at += padding;
    if (data.left > 0 || data.padding > 0) return part + padding > 0 ? at : -1;
    this.#data = undefined;
    if (data.end && data.stream !== undefined && !data.stream.closed) this.#endedThere(data.stream);
    return at;
  }

  #onReset(streamId: number, payload: Uint8Array): void {
    expectLength(payload, 4, "RST_STREAM");
    if (streamId === 0 || streamId > this.#lastStreamId) {
      throw connectionError("h2_protocol_violation", "RST_STREAM names no stream that was opened");
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#spend();
    this.#close(stream, true);
    this.#countReset();
  }

  #onSettings(flags: number, streamId: number, payload: Uint8Array): void {
    if (streamId !== 0) throw connectionError("h2_protocol_violation", "SETTINGS names a stream");
    if (payload.length % 6 !== 0) throw connectionError("h2_frame_size", "SETTINGS is cut");
    if (payload.length > 6 * MAX_SETTINGS) {
      throw connectionError("h2_control_flood", "SETTINGS has too many entries");
    }
    this.#spend();
    if ((flags & Flag.ack) !== 0) return expectLength(payload, 0, "SETTINGS with ACK");
    this.#sawSettings = true;
    for (let at = 0; at < payload.length; at += 6) {
      this.#onSetting((payload[at] << 8) | payload[at + 1], readUint32(payload, at + 2));
    }
    this.#sender.control(FrameType.settings, Flag.ack, 0);
  }

  #onSetting(id: number, value: number): void {
    switch (id) {
      case SettingId.headerTableSize:
        return this.#sender.encoder.allowTable(value);
      case SettingId.enablePush:
        if (value > 1) throw connectionError("h2_protocol_violation", "ENABLE_PUSH is neither 0 nor 1");
        return;
      case SettingId.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) throw connectionError("h2_flow_control", "a window is too large");
        return this.#changeWindows(value);
      case SettingId.maxFrameSize:
        if (value < MAX_FRAME_BYTES || value > LARGEST_FRAME_SETTING) {
          throw connectionError("h2_protocol_violation", "MAX_FRAME_SIZE is out of its range");
        }
        return; // smaller frames let streams take turns
    }
  }

  /** 6.9.2: windows of open streams move by the difference, below zero too. */
  #changeWindows(initial: number): void {
    const difference = initial - this.#sender.initialWindow;
    this.#sender.initialWindow = initial;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > MAX_WINDOW_BYTES) {
        throw connectionError("h2_flow_control", "a window is too large");
      }
      this.wantsToSend(stream);
    }
  }

  #onWindowUpdate(streamId: number, payload: Uint8Array): void {
    expectLength(payload, 4, "WINDOW_UPDATE");
    const increment = readUint32(payload, 0) & MAX_WINDOW_BYTES;
    if (streamId > this.#lastStreamId) {
      throw connectionError("h2_protocol_violation", "WINDOW_UPDATE of an idle stream");
    }
    if (streamId === 0) {
      if (increment === 0) throw connectionError("h2_protocol_violation", "WINDOW_UPDATE by nothing");
      return this.#sender.widen(increment);
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#spend();
    if (increment === 0) return this.#violate(stream, H2Error.protocol);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return this.#violate(stream, H2Error.flowControl);
    if (increment < SMALL_INCREMENT) this.#spend();
    this.wantsToSend(stream);
  }

  #endedHere(stream: Http2Stream): void {
    stream.localEnded = true;
    const { handler } = stream;
    if (stream.remoteEnded) this.#close(stream, false);
    handler?.onDrained();
  }

  #endedThere(stream: Http2Stream): void {
    stream.remoteEnded = true;
    if (stream.localEnded) this.#close(stream, false);
    stream.handler?.onReadable();
  }

  #close(stream: Http2Stream, cut: boolean): void {
    if (stream.closed) return;
    this.#streams.delete(stream.id);
    this.#drop(stream, cut);
    if (this.#streams.size === 0) this.#handler.wake();
  }

  #drop(stream: Http2Stream, cut: boolean): void {
    stream.closed = true;
    stream.dropQueued();
    // What came in before an orderly end may still be read.
    if (cut || !stream.remoteEnded) this.#returnCredit(stream.dropUnread());
    if (cut) stream.handler?.onReset();
  }

  #goaway(lastStreamId: number, code: number, debug: string): void {
    this.#sender.send(goaway(lastStreamId, code, debug));
  }
}

/** A window that grows by less at a time serves no reader. */
const SMALL_INCREMENT = 64;
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

function expectLength(payload: Uint8Array, bytes: number, name: string): void {
  if (payload.length !== bytes) throw connectionError("h2_frame_size", `${name} has ${payload.length} bytes`);
}
