/** The sending half of a connection: frames of all streams in turn, within the windows of the peer (RFC 9113 5.2 and 6.9). */
import type { HeaderList } from "../http1/mod.ts";
import { connectionError } from "./error.ts";
import {
  DEFAULT_WINDOW_BYTES,
  Flag,
  frame,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  uint32,
  writeFrameHeader,
} from "./frame.ts";
import { HpackEncoder } from "./hpack_encoder.ts";
import { OUTPUT_MARK_BYTES } from "./limits.ts";
import type { Http2Stream } from "./stream.ts";

/** Where frames go. */
export interface Http2Output {
  /** Copies the bytes. */
  write(bytes: Uint8Array): void;
  /** Bytes that wait. */
  readonly queuedBytes: number;
}

export interface SenderEvents {
  /** Call `pump` soon. */
  wake(): void;
  /** END_STREAM of the stream is on its way. */
  onEnded(stream: Http2Stream): void;
}

export class Sender {
  readonly encoder = new HpackEncoder();
  /** The peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  initialWindow = DEFAULT_WINDOW_BYTES;
  readonly #output: Http2Output;
  readonly #events: SenderEvents;
  /** Streams with something to send and window to send it in. */
  #ready: Http2Stream[] = [];
  #window = DEFAULT_WINDOW_BYTES;

  constructor(output: Http2Output, events: SenderEvents) {
    this.#output = output;
    this.#events = events;
  }

  /** Frames as they are, that no window counts. */
  send(bytes: Uint8Array): void {
    this.#output.write(bytes);
  }

  /** A frame that no window counts. */
  control(type: number, flags: number, streamId: number, payload?: Uint8Array): void {
    this.#output.write(frame(type, flags, streamId, payload));
  }

  /** Tells the peer that it may send more: on a stream, or on all of them for 0. */
  grant(streamId: number, bytes: number): void {
    this.control(FrameType.windowUpdate, 0, streamId, uint32(bytes));
  }

  /** The peer takes more on all streams together. Throws `h2_flow_control`. */
  widen(bytes: number): void {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW_BYTES) throw connectionError("h2_flow_control", "the window is too large");
    this.#events.wake();
  }

  /** Whether something may have become sendable. */
  wants(stream: Http2Stream): void {
    if (stream.ready || stream.closed) return;
    if (stream.queuedBytes > 0 ? stream.sendWindow <= 0 : !stream.endWanted || stream.localEnded) return;
    stream.ready = true;
    this.#ready.push(stream);
    if (this.#ready.length === 1) this.#events.wake();
  }

  /** Forgets all that waits. */
  clear(): void {
    this.#ready = [];
  }

  /** Sends what windows and output allow, a frame of each stream in turn. */
  pump(): void {
    const ready = this.#ready;
    let at = 0;
    while (at < ready.length && this.#output.queuedBytes < OUTPUT_MARK_BYTES) {
      const stream = ready[at];
      if (stream.queuedBytes > 0 && this.#window <= 0) break;
      at++;
      stream.ready = false;
      if (!stream.closed) this.#sendFrame(stream);
    }
    if (at > 0) this.#ready.splice(0, at);
    if (this.#ready.length > 0 && this.#ready.some((stream) => stream.queuedBytes === 0)) this.#sendEnds();
  }

  /** A header block; `status` is 0 for trailers. */
  head(stream: Http2Stream, status: number, fields: HeaderList, end: boolean): void {
    if (stream.closed || stream.localEnded) return;
    const { encoder } = this;
    encoder.begin();
    if (status > 0) encoder.field(":status", String(status));
    for (let at = 0; at < fields.length; at++) encoder.field(fields.keyAt(at), fields.valueAt(at));
    const block = encoder.block();
    for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_BYTES) {
      const part = block.subarray(at, at + MAX_FRAME_BYTES);
      const flags = (at === 0 && end ? Flag.endStream : 0) |
        (at + part.length === block.length ? Flag.endHeaders : 0);
      this.#write(part, at === 0 ? FrameType.headers : FrameType.continuation, flags, stream.id);
    }
    if (end) this.#events.onEnded(stream);
  }

  #sendFrame(stream: Http2Stream): void {
    if (stream.queuedBytes === 0) return this.#sendEnd(stream);
    const bytes = Math.min(stream.queuedBytes, stream.sendWindow, this.#window, MAX_FRAME_BYTES);
    if (bytes <= 0) return;
    const last = bytes === stream.queuedBytes && stream.endWanted && stream.trailersOut === undefined;
    writeFrameHeader(scratch, bytes, FrameType.data, last ? Flag.endStream : 0, stream.id);
    stream.take(scratch, FRAME_HEADER_BYTES, bytes);
    stream.sendWindow -= bytes;
    this.#window -= bytes;
    this.#output.write(scratch.subarray(0, FRAME_HEADER_BYTES + bytes));
    if (last) return this.#events.onEnded(stream);
    if (stream.queuedBytes > 0) return this.wants(stream);
    stream.handler?.onDrained();
    this.#sendEnd(stream);
  }

  #sendEnd(stream: Http2Stream): void {
    if (stream.queuedBytes > 0 || !stream.endWanted || stream.localEnded || stream.closed) return;
    if (stream.trailersOut !== undefined) return this.head(stream, 0, stream.trailersOut, true);
    this.#write(NOTHING, FrameType.data, Flag.endStream, stream.id);
    this.#events.onEnded(stream);
  }

  /** Ends need no window: they do not wait behind data that does. */
  #sendEnds(): void {
    const ready = this.#ready;
    this.#ready = ready.filter((stream) => stream.queuedBytes > 0);
    for (const stream of ready) {
      if (stream.queuedBytes > 0) continue;
      stream.ready = false;
      this.#sendEnd(stream);
    }
  }

  #write(payload: Uint8Array, type: number, flags: number, streamId: number): void {
    writeFrameHeader(scratch, payload.length, type, flags, streamId);
    scratch.set(payload, FRAME_HEADER_BYTES);
    this.#output.write(scratch.subarray(0, FRAME_HEADER_BYTES + payload.length));
  }
}

/** Written to and copied from in one go. */
const scratch = new Uint8Array(FRAME_HEADER_BYTES + MAX_FRAME_BYTES);
const NOTHING = new Uint8Array(0);
