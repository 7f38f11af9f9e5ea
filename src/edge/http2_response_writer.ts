/**
 * One response on an HTTP/2 stream, and the stream as a byte stream: the request's body, and both directions of a
 * WebSocket. A response without body, and a small one that is whole, goes out in as few frames as it can.
 */
import { type Lease, NO_WRITER_EVENTS, type SocketWriterEvents } from "../driver/mod.ts";
import { PosternError } from "../errors/mod.ts";
import {
  errorMessage,
  type ErrorResponse,
  type Framing,
  type HeaderList,
  type OutgoingResponse,
} from "../http1/mod.ts";
import { H2Error, type Http2Stream, type Http2StreamHandler } from "../http2/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { ResponseWriter } from "./response_writer.ts";

/** What frames and connections of HTTP/1.1 need and HTTP/2 does without (RFC 9113 8.2.2). */
const HTTP1_ONLY = new Set(["connection", "transfer-encoding", "upgrade", "keep-alive"]);
/** What answers a WebSocket key: a stream needs no proof that its peer speaks HTTP/2 (RFC 8441 5.1). */
const WEBSOCKET_ACCEPT = "sec-websocket-accept";

export class Http2ResponseWriter implements ResponseWriter, Http2StreamHandler, ByteStream {
  readonly raw = undefined;
  readonly remoteAddress: string;
  events: SocketWriterEvents = NO_WRITER_EVENTS;
  readonly #stream: Http2Stream;
  /** The accept value that the origin has to give, for a WebSocket. */
  readonly #accept: string | undefined;
  readonly #onGone: () => void;
  #head: { head: OutgoingResponse; framing: Framing; credit: number } | undefined;
  #holding = false;
  #ended = false;
  #failed = false;
  #cut = false;
  #wakeReader: (() => void) | undefined;
  #waiters: (() => void)[] = [];

  /** @param onGone the viewer has cut the stream, or the connection is lost */
  constructor(stream: Http2Stream, remoteAddress: string, accept: string | undefined, onGone: () => void) {
    this.#stream = stream;
    this.remoteAddress = remoteAddress;
    this.#accept = accept;
    this.#onGone = onGone;
  }

  get failed(): boolean {
    return this.#failed;
  }

  head(head: OutgoingResponse, framing: Framing, credit: number): void {
    if (head.status < 200 && head.status !== 101) {
      this.#stream.sendHead(head.status, fieldsOf(head), false);
      return this.events.onWritten(credit);
    }
    if (this.#accept !== undefined) this.#checkTunnel(head);
    this.#head = { head, framing, credit };
    if (!this.#holding && framing.kind !== "none") this.#sendHead(false);
  }

  body(bytes: Uint8Array, credit: number, lease: Lease | undefined): void {
    if (this.#head !== undefined && !this.#holding) this.#sendHead(false);
    this.#stream.send(bytes, credit, lease);
  }

  end(trailers: HeaderList): void {
    this.#ended = true;
    if (this.#holding) return; // what is held back is small, and has a length: no trailers
    if (this.#head !== undefined && trailers.length === 0) return this.#sendHead(true);
    if (this.#head !== undefined) this.#sendHead(false);
    this.#stream.end(trailers.length === 0 ? undefined : trailers);
  }

  refuse(error: ErrorResponse): void {
    const { head, body } = errorMessage({ ...error, close: false });
    this.respond(head, body);
  }

  respond(head: OutgoingResponse, bytes: Uint8Array): void {
    this.#stream.sendHead(head.status, fieldsOf(head), bytes.length === 0);
    if (bytes.length === 0) return;
    this.#stream.send(bytes, 0);
    this.#stream.end();
  }

  hold(): void {
    this.#holding = true;
    this.#stream.cork();
  }

  letGo(): void {
    if (!this.#holding) return;
    this.#holding = false;
    if (this.#head !== undefined) this.#sendHead(this.#ended && this.#stream.queuedBytes === 0);
    this.#stream.uncork();
    if (this.#ended) this.#stream.end();
  }

  dropHeld(): void {
    if (!this.#holding) return;
    this.#holding = false;
    this.#ended = false;
    this.#head = undefined;
    this.#stream.dropQueued();
    this.#stream.uncork();
  }

  abort(): void {
    this.#failed = true;
    this.#stream.reset(H2Error.internal);
    this.#settle();
  }

  flushed(): Promise<void> {
    const { closed, localEnded, queuedBytes, endWanted } = this.#stream;
    if (closed || localEnded || (queuedBytes === 0 && !endWanted)) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Nothing more is to come: a stream that has not ended by itself is cut. */
  finish(): void {
    const stream = this.#stream;
    // RFC 9113 8.1: the answer is whole, the rest of the request is of no interest.
    if (!stream.closed) stream.reset(stream.localEnded ? H2Error.noError : H2Error.internal);
    stream.forgetUnread();
  }

  onReadable(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = undefined;
    wake?.();
  }

  onSent(credit: number): void {
    this.events.onWritten(credit);
  }

  onDrained(): void {
    this.#settle();
  }

  onReset(): void {
    this.#failed = this.#cut = true;
    this.onReadable();
    this.#settle();
    this.#onGone();
  }

  /** Resolves when the viewer has sent more of a request that was answered already, has ended it, or is gone. */
  async heard(): Promise<void> {
    const { closed, unread, remoteEnded } = this.#stream;
    if (!closed && !remoteEnded && unread === 0) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const read = this.#stream.read(into);
      if (read > 0) return read;
      if (this.#cut) throw new PosternError("connection_reset", "Cannot read request: its stream was reset");
      if (this.#stream.remoteEnded || this.#stream.closed) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  async write(from: Uint8Array): Promise<number> {
    if (this.#stream.closed) {
      throw new PosternError("connection_reset", "Cannot write response: its stream was reset");
    }
    this.#stream.send(from, 0);
    await this.flushed();
    return from.length;
  }

  async closeWrite(): Promise<void> {
    this.#stream.end();
    await this.flushed();
  }

  close(): void {
    const stream = this.#stream;
    if (!stream.closed) stream.reset(stream.localEnded ? H2Error.noError : H2Error.cancel);
    this.onReadable();
  }

  /** RFC 8441 4 and 5: 200 says that the tunnel is there, so nothing but an accepted upgrade may become one. */
  #checkTunnel(head: OutgoingResponse): void {
    const accepted = head.status === 101 && head.headers.get(WEBSOCKET_ACCEPT) === this.#accept;
    if (accepted || (head.status !== 101 && (head.status < 200 || head.status >= 300))) return;
    throw new PosternError("http_bad_response", "Cannot relay response: it does not accept the WebSocket");
  }

  #sendHead(end: boolean): void {
    const { head, credit } = this.#head!;
    this.#head = undefined;
    const status = head.status === 101 ? 200 : head.status;
    this.#stream.sendHead(status, fieldsOf(head), end);
    this.events.onWritten(credit);
  }

  #settle(): void {
    if (this.#waiters.length > 0) { for (const resolve of this.#waiters.splice(0)) resolve(); }
  }
}

function fieldsOf({ status, headers }: OutgoingResponse): HeaderList {
  return headers.without((key) => HTTP1_ONLY.has(key) || (status === 101 && key === WEBSOCKET_ACCEPT));
}
