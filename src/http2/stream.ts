/**
 * One request and its response on an HTTP/2 connection, as its server sees it (RFC 9113 5.1).
 *
 * ```
 *   open --- END_STREAM of the peer ---> half-closed (remote) --- end() ---> closed
 *     |------ end() ---> half-closed (local) --- END_STREAM of the peer ------>|
 *     +------ reset(), or RST_STREAM of the peer, from any state ------------->+
 * ```
 */
import type { HeaderList } from "../http1/mod.ts";
import type { Http2Connection } from "./connection.ts";
import type { H2ErrorNumber } from "./frame.ts";
import type { HeaderBlock } from "./header_block.ts";

/** What a stream tells its user. Calls come from inside `Http2Connection.receive` and `pump`: keep them short. */
export interface Http2StreamHandler {
  /** There is more to read, or the request has ended. */
  onReadable(): void;
  /** So much credit of what was sent is on its way. */
  onSent(credit: number): void;
  /** Everything that was sent is on its way. */
  onDrained(): void;
  /** The peer has cut the stream, or the connection is lost; what waited is dropped. */
  onReset(): void;
}

/** Bytes that lie elsewhere and stay there until they are released. */
interface Lease {
  release(): void;
}

interface Piece {
  bytes: Uint8Array;
  readonly credit: number;
  readonly lease: Lease | undefined;
}

/** Room that is made for unread bytes at least: many small frames then share it. */
const BLOCK_BYTES = 4_096;

export class Http2Stream {
  readonly id: number;
  handler: Http2StreamHandler | undefined;
  /** Trailers of the request, when it had any. */
  trailers: HeaderBlock | undefined;
  /** The peer has sent its last frame. */
  remoteEnded = false;
  /** END_STREAM is on its way. */
  localEnded = false;
  /** The request cannot be understood: its answer is followed by RST_STREAM. */
  malformed = false;
  /** Ended both ways, or cut. */
  closed = false;
  /** @internal Used by {@link Http2Connection}, like everything below. */
  sendWindow: number;
  receiveWindow: number;
  /** What the window grows back to; consumed since it was last told to. */
  windowBytes: number;
  consumed = 0;
  ready = false;
  endWanted = false;
  trailersOut: HeaderList | undefined;
  queuedBytes = 0;
  sentBytes = 0;
  receivedBytes = 0;
  readonly pieces: Piece[] = [];
  readonly #connection: Http2Connection;
  #corked = false;
  /** Unread bytes: `[readAt, length of the last: fillAt)`. */
  readonly #blocks: Uint8Array[] = [];
  #readAt = 0;
  #fillAt = 0;
  #unread = 0;

  constructor(connection: Http2Connection, id: number, sendWindow: number, windowBytes: number) {
    this.#connection = connection;
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = this.windowBytes = windowBytes;
  }

  get unread(): number {
    return this.#unread;
  }

  /** Bytes of the request's body; 0 when there are none at the moment, or no more at all once it has ended. */
  read(into: Uint8Array): number {
    let read = 0;
    while (read < into.length && this.#unread > 0) {
      const block = this.#blocks[0];
      const end = this.#blocks.length === 1 ? this.#fillAt : block.length;
      const part = Math.min(end - this.#readAt, into.length - read);
      into.set(block.subarray(this.#readAt, this.#readAt + part), read);
      read += part;
      this.#unread -= part;
      this.#readAt += part;
      if (this.#readAt < end) break;
      this.#blocks.shift();
      this.#readAt = 0;
      if (this.#blocks.length === 0) this.#fillAt = 0;
    }
    if (read > 0) {
      this.#connection.countUnread(-read);
      this.#connection.consumed(this, read);
    }
    return read;
  }

  /** Sends a head: interim, or final and then the last when `end`. */
  sendHead(status: number, fields: HeaderList, end: boolean): void {
    this.#connection.sendHead(this, status, fields, end);
  }

  /** Queues a part of the body. Without a lease it is copied, with it the bytes must not change before it is released. */
  send(bytes: Uint8Array, credit: number, lease?: Lease): void {
    if (this.closed || this.endWanted) return void lease?.release();
    const kept = lease === undefined ? bytes.slice() : bytes;
    this.pieces.push({ bytes: kept, credit, lease });
    this.queuedBytes += bytes.length;
    if (!this.#corked) this.#connection.wantsToSend(this);
  }

  /** Ends the response after what was queued. */
  end(trailers?: HeaderList): void {
    if (this.closed || this.endWanted) return;
    this.endWanted = true;
    this.trailersOut = trailers;
    if (!this.#corked) this.#connection.wantsToSend(this);
  }

  /** What is queued from now on waits for {@link uncork}. */
  cork(): void {
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
    if (this.queuedBytes > 0 || this.endWanted) this.#connection.wantsToSend(this);
  }

  /** Ends both directions at once. Idempotent. */
  reset(code: H2ErrorNumber): void {
    this.#connection.resetStream(this, code);
  }

  /** The request's body or trailers are malformed: it counts like a reset of the peer's, each costs as much. */
  countMalformed(): void {
    this.malformed = true;
    this.#connection.onMalformed();
  }

  /** Nothing more is read: what lies unread, also behind an orderly end, takes no room in the connection's window. */
  forgetUnread(): void {
    this.#connection.forgetUnread(this);
  }

  /** Forgets what was queued. */
  dropQueued(): void {
    for (const piece of this.pieces.splice(0)) piece.lease?.release();
    this.queuedBytes = 0;
    this.endWanted = this.localEnded;
    this.trailersOut = undefined;
  }

  /** @internal Takes bytes in, copied. */
  keep(buffer: Uint8Array, start: number, end: number): void {
    this.#unread += end - start;
    this.#connection.countUnread(end - start);
    while (start < end) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#fillAt === block.length) {
        this.#blocks.push(block = new Uint8Array(Math.max(BLOCK_BYTES, end - start)));
        this.#fillAt = 0;
      }
      const part = Math.min(end - start, block.length - this.#fillAt);
      block.set(buffer.subarray(start, start + part), this.#fillAt);
      this.#fillAt += part;
      start += part;
    }
  }

  /** @internal Forgets unread bytes; how many there were. */
  dropUnread(): number {
    const dropped = this.#unread;
    this.#blocks.length = 0;
    this.#unread = this.#readAt = this.#fillAt = 0;
    if (dropped > 0) this.#connection.countUnread(-dropped);
    return dropped;
  }

  /** @internal Moves `bytes` of what is queued to `out`. */
  take(out: Uint8Array, at: number, bytes: number): void {
    this.queuedBytes -= bytes;
    this.sentBytes += bytes;
    let credit = 0;
    while (bytes > 0) {
      const piece = this.pieces[0];
      const part = Math.min(bytes, piece.bytes.length);
      out.set(part === piece.bytes.length ? piece.bytes : piece.bytes.subarray(0, part), at);
      at += part;
      bytes -= part;
      if (part < piece.bytes.length) piece.bytes = piece.bytes.subarray(part);
      else {
        this.pieces.shift();
        piece.lease?.release();
        credit += piece.credit;
      }
    }
    if (credit > 0) this.handler?.onSent(credit);
  }
}
