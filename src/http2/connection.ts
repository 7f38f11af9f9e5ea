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
import { errorOf, type PosternError } from "../errors/mod.ts";
import type { HeaderList } from "../http1/mod.ts";
import { connectionError, numberOf } from "./error.ts";
import {
  DEFAULT_WINDOW_BYTES,
  Flag,
  FrameType,
  goaway,
  H2Error,
  type H2ErrorNumber,
  LARGEST_FRAME_SETTING,
  MAX_FRAME_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  SettingId,
  settingsPayload,
  uint32,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame_reader.ts";
import { HeaderBlock } from "./header_block.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import { Allowance, type Http2Limits } from "./limits.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { type Http2Output, Sender } from "./sender.ts";
import { Http2Stream } from "./stream.ts";

/** Who uses the connection. */
export interface Http2Handler {
  /** A request's head is there; set the stream's handler before this returns. */
  onRequest(stream: Http2Stream, block: HeaderBlock): void;
  /** Call `pump` soon: more than one stream may ask in one turn. */
  wake(): void;
  /** The unread bytes of requests have grown by so many, or shrunk. */
  onUnread(difference: number): void;
}

export class Http2Connection implements FrameSink {
  readonly #limits: Http2Limits;
  readonly #handler: Http2Handler;
  readonly #reader = new FrameReader(this);
  readonly #decoder = new HpackDecoder();
  readonly #sender: Sender;
  readonly #streams = new Map<number, Http2Stream>();
  /** The latest streams that ended by RST_STREAM of ours. */
  readonly #cutHere = new Set<number>();
  readonly #resets: Allowance;
  readonly #controlFrames: Allowance;
  #lastStreamId = 0;
  /** Of the DATA that is under way; undefined when that is thrown away. */
  #dataStream: Http2Stream | undefined;
  readonly #window: ReceiveWindow;
  #unread = 0;
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
    this.#window = new ReceiveWindow(limits, this.#sender);
  }

  /** Streams that are not over. */
  get openStreams(): number {
    return this.#streams.size;
  }
  get streams(): Iterable<Http2Stream> {
    return this.#streams.values();
  }
  /** Bytes of requests that nobody has read yet. */
  get unread(): number {
    return this.#unread;
  }
  /** The stream that holds most of them; undefined when there are none. */
  get heaviest(): Http2Stream | undefined {
    let heaviest: Http2Stream | undefined;
    for (const stream of this.#streams.values()) {
      if (stream.unread > (heaviest?.unread ?? 0)) heaviest = stream;
    }
    return heaviest;
  }
  /** Requests so far. */
  get requests(): number {
    return (this.#lastStreamId + 1) >>> 1;
  }
  /** Whether a frame or a header block other than DATA has begun and is not whole; while it is so, a deadline is due. */
  get hasOpenBlock(): boolean {
    return this.#reader.hasOpenBlock;
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
        const next = this.#reader.next(buffer, at, end);
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
    const known = errorOf(error);
    this.#failed = known;
    this.#window.close();
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
    this.#cut(stream.id, code);
    this.#close(stream, false);
  }

  /** @internal */
  countUnread(difference: number): void {
    this.#unread += difference;
    this.#handler.onUnread(difference);
  }

  /** @internal A request turned out malformed behind its head: it has cost as much as one that was cut. */
  onMalformed(): void {
    try {
      this.#countReset();
    } catch (error) {
      this.fail(error);
      this.#handler.wake();
    }
  }

  /** @internal Nobody reads what is unread: the peer may send as much on other streams. */
  forgetUnread(stream: Http2Stream): void {
    const dropped = stream.dropUnread();
    if (dropped > 0) this.#window.give(dropped);
  }

  /** @internal Bytes of a request were read: the peer may send as many again. */
  consumed(stream: Http2Stream, bytes: number): void {
    this.#window.consumed(stream, bytes);
  }

  /** @internal For the reader, as are all below that begin with `on`. */
  onIdleFrame(): void {
    if (!this.#controlFrames.take(this.#now)) {
      throw connectionError("h2_control_flood", "too many frames that carry no request");
    }
  }

  /** @internal */
  onPing(payload: Uint8Array): void {
    this.#sender.control(FrameType.ping, Flag.ack, 0, payload);
  }

  /** @internal */
  onHeaders(streamId: number, endStream: boolean, bytes: Uint8Array): void {
    const block = new HeaderBlock(this.#limits);
    // Whatever becomes of the stream, the table is shared: every block is decoded.
    this.#decoder.decode(bytes, 0, bytes.length, (name, value) => block.add(name, value));
    const known = this.#streams.get(streamId);
    if (known !== undefined) return this.#onTrailers(known, block, endStream);
    if (streamId <= this.#lastStreamId) {
      if (this.#cutHere.has(streamId)) return this.onIdleFrame(); // on its way when we cut the stream
      throw connectionError("h2_protocol_violation", "HEADERS of a stream that is closed"); // 5.1.1
    }
    this.#lastStreamId = streamId;
    if (this.#finishedAt !== undefined || this.#streams.size >= this.#limits.maxConcurrentStreams) {
      this.onIdleFrame();
      return this.#cut(streamId, H2Error.refusedStream);
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
    this.#cut(stream.id, code);
    this.#close(stream, true);
    this.#countReset();
  }

  /** Sends RST_STREAM. Frames that the peer sent before it knows are no offence, so the latest such streams are kept in mind. */
  #cut(streamId: number, code: H2ErrorNumber): void {
    this.#sender.control(FrameType.rstStream, 0, streamId, uint32(code));
    this.#cutHere.delete(streamId);
    this.#cutHere.add(streamId);
    if (this.#cutHere.size > MAX_CUT_STREAMS) this.#cutHere.delete(this.#cutHere.values().next().value!);
  }

  #countReset(): void {
    if (!this.#resets.take(this.#now)) {
      throw connectionError("h2_rapid_reset", "too many requests were cut before their answer");
    }
  }

  /** @internal */
  onDataStart(streamId: number, length: number, bytes: number, endStream: boolean): void {
    if (streamId > this.#lastStreamId) {
      throw connectionError("h2_protocol_violation", "DATA of an idle stream");
    }
    this.#window.take(length);
    let stream = this.#streams.get(streamId);
    if (stream === undefined) this.#onStrayData(streamId);
    else if (stream.remoteEnded || length > stream.receiveWindow) {
      this.#violate(stream, stream.remoteEnded ? H2Error.streamClosed : H2Error.flowControl);
      stream = undefined;
    } else stream.receiveWindow -= length;
    if (bytes === 0 && !endStream) this.onIdleFrame();
    // Padding, and what nobody reads, is credit at once.
    const lost = stream === undefined ? length : length - bytes;
    if (lost > 0 && stream !== undefined) this.consumed(stream, lost);
    else if (lost > 0) this.#window.give(lost);
    this.#dataStream = stream;
  }

  /** DATA of a closed stream: on its way when we cut it, or an offence (5.1). */
  #onStrayData(streamId: number): void {
    if (this.#cutHere.has(streamId)) return this.onIdleFrame();
    this.#cut(streamId, H2Error.streamClosed);
    this.#countReset();
  }

  /** @internal */
  onData(buffer: Uint8Array, start: number, end: number): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    if (stream.closed) return this.#window.give(end - start);
    stream.receivedBytes += end - start;
    stream.keep(buffer, start, end);
    stream.handler?.onReadable();
  }

  /** @internal */
  onDataEnd(endStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (endStream && stream !== undefined && !stream.closed) this.#endedThere(stream);
  }

  /** @internal */
  onReset(streamId: number): void {
    if (streamId === 0 || streamId > this.#lastStreamId) {
      throw connectionError("h2_protocol_violation", "RST_STREAM names no stream that was opened");
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.onIdleFrame();
    this.#close(stream, true);
    this.#countReset();
  }

  /** @internal */
  onSetting(id: number, value: number): void {
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

  /** @internal */
  onSettingsEnd(): void {
    this.#sender.control(FrameType.settings, Flag.ack, 0);
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

  /** @internal */
  onWindowUpdate(streamId: number, increment: number): void {
    if (streamId > this.#lastStreamId) {
      throw connectionError("h2_protocol_violation", "WINDOW_UPDATE of an idle stream");
    }
    if (streamId === 0) {
      if (increment === 0) throw connectionError("h2_protocol_violation", "WINDOW_UPDATE by nothing");
      return this.#sender.widen(increment);
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.onIdleFrame();
    if (increment === 0) return this.#violate(stream, H2Error.protocol);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return this.#violate(stream, H2Error.flowControl);
    if (increment < SMALL_INCREMENT) this.onIdleFrame();
    this.wantsToSend(stream);
  }

  #endedHere(stream: Http2Stream): void {
    stream.localEnded = true;
    const { handler } = stream;
    // 8.1.1: a malformed request is a stream error, whatever answer went before it.
    if (stream.malformed) this.#cut(stream.id, H2Error.protocol);
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
    if (cut || !stream.remoteEnded) this.#window.give(stream.dropUnread());
    if (cut) stream.handler?.onReset();
  }

  #goaway(lastStreamId: number, code: number, debug: string): void {
    this.#sender.send(goaway(lastStreamId, code, debug));
  }
}

/** Streams that we cut and remember. */
const MAX_CUT_STREAMS = 256;
/** A window that grows by less at a time serves no reader. */
const SMALL_INCREMENT = 64;
