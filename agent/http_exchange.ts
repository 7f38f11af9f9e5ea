/**
 * One HTTP request from the edge, carried to the origin and answered. What comes in is the request head, the plain body
 * and END; what goes out is response heads as the origin wrote them (checked), the plain body and END.
 *
 * ```
 *   head -> (connecting) -> sending + responding -> answered   END to the edge; the connection goes back to the pool
 *                 |              |       |
 *                 |              |       +-> upgraded          101: the stream and the socket are spliced
 *                 +--------------+---------> over              RESET of either side; the connection is closed
 * ```
 */
import { type ChannelPump, type Deadline, StreamSplice } from "../src/driver/mod.ts";
import type { SocketWriterEvents } from "../src/driver/mod.ts";
import { codeOf, PosternError } from "../src/errors/mod.ts";
import {
  BodyReader,
  type HeadLimits,
  isRepeatable,
  MAX_INTERIM_RESPONSES,
  parseRequestHead,
  parseResponseHead,
  PartialHead,
  persistent,
  type RequestHead,
  type ResponseHead,
  serializeRequestHead,
  serializeTrailers,
} from "../src/http1/mod.ts";
import type { MuxStream, StreamHandler } from "../src/mux/mod.ts";
import type { ResetReason } from "../src/wire/mod.ts";
import type { OriginConnection } from "./origin_connection.ts";
import { RequestBody } from "./request_body.ts";
import type { Service } from "./service.ts";

/**
 * What a viewer may send is the edge's to decide (settings `limits.*` there, a head of at most 64 KiB): here is room for
 * the most that it can be told to pass on, and for the lines that it adds.
 */
const REQUEST_LIMITS: HeadLimits = Object.freeze({
  maxTargetBytes: 69_632,
  maxHeadBytes: 69_632,
  maxHeaders: 1_024,
});
/** Time for the rest of a request to be written after its response has ended. */
const SETTLE_MS = 5_000;

export class HttpExchange implements StreamHandler, SocketWriterEvents {
  readonly #service: Service;
  readonly #stream: MuxStream;
  readonly #pump: Pick<ChannelPump, "retain">;
  readonly #startedAt: number;
  #partialHead: PartialHead | undefined;
  #request: RequestHead | undefined;
  #body: RequestBody | undefined;
  #connection: OriginConnection | undefined;
  /** Set while a connection is awaited. */
  #abort: AbortController | undefined;
  #repeated = false;
  /** The final head of the response went on: the request is among the recent ones. */
  #answered = false;
  /** Bytes that came and whose credit was not returned yet. */
  #held = 0;
  /** Nobody wants further bytes of the request. */
  #discarding = false;
  #over = false;
  #deadline: Deadline | undefined;
  #activityAt = 0;
  #takenWaiter: (() => void) | undefined;

  constructor(service: Service, stream: MuxStream, pump: Pick<ChannelPump, "retain">) {
    this.#service = service;
    this.#stream = stream;
    this.#pump = pump;
    this.#startedAt = service.clock.now();
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    if (this.#discarding) return this.#stream.consumed(end - start);
    this.#held += end - start;
    try {
      if (this.#body === undefined) this.#readHead(buffer, start, end);
      else this.#body.take(buffer, start, end);
    } catch (error) {
      this.#fail(error, "request_refused");
    }
  }

  onEnd(trailers: Uint8Array | undefined): void {
    if (this.#discarding) return;
    try {
      if (this.#body === undefined) throw new PosternError("http_truncated_body");
      this.#body.end(trailers);
    } catch (error) {
      this.#fail(error, "request_refused");
    }
  }

  onReset(): void {
    this.#finish();
  }

  onTaken(): void {
    const waiter = this.#takenWaiter;
    this.#takenWaiter = undefined;
    waiter?.();
  }

  /** A part of the request is on its way to the origin. */
  onWritten(credit: number): void {
    if (this.#discarding) return;
    this.#held -= credit;
    this.#stream.consumed(credit);
    this.#activityAt = this.#service.clock.now();
  }

  /** The origin takes no more of the request. What it answered is still read. */
  onError(): void {
    if (this.#body?.isEmpty !== true) this.#discard();
  }

  #readHead(buffer: Uint8Array, start: number, end: number): void {
    const partial = this.#partialHead;
    if (partial !== undefined) {
      partial.add(buffer, start, end);
      buffer = partial.buffer;
      start = 0;
      end = partial.length;
    }
    const head = parseRequestHead(buffer, start, end, REQUEST_LIMITS, partial?.seen ?? start);
    if (head === null) {
      if (partial === undefined) (this.#partialHead = new PartialHead()).add(buffer, start, end);
      return;
    }
    this.#partialHead = undefined;
    this.#held -= head.bytes;
    this.#stream.consumed(head.bytes);
    this.#begin(head);
    if (end > start + head.bytes) this.#body!.take(buffer, start + head.bytes, end);
  }

  #begin(head: RequestHead): void {
    const { host, origin, pool } = this.#service;
    if (host !== null) head.headers.set("Host", host);
    if (origin.idleKeepAliveMs === 0 && head.upgrade === null) head.headers.append("Connection", "close");
    this.#request = head;
    this.#body = new RequestBody(head, serializeRequestHead(head), () => this.#pump.retain());
    const idle = pool.takeIdle();
    if (idle !== undefined) this.#use(idle);
    else this.#acquire(false);
  }

  async #acquire(fresh: boolean): Promise<void> {
    const { pool } = this.#service;
    this.#abort = new AbortController();
    const connection = await pool.acquire(
      this.#abort.signal,
      fresh,
      this.#stream.opening.requestId,
    );
    this.#abort = undefined;
    if (typeof connection === "string") this.#refuse(connection);
    else if (this.#over) pool.drop(connection);
    else this.#use(connection);
  }

  #use(connection: OriginConnection): void {
    this.#connection = connection;
    connection.writer.events = this;
    this.#activityAt = this.#service.clock.now();
    try {
      this.#body!.writeTo(connection.writer);
    } catch (error) {
      return this.#fail(error, "request_refused");
    }
    this.#armDeadline();
    this.#respond(connection);
  }

  /**
   * Passes interim heads and the final one on, then the body. Never throws. Nothing is awaited between a head and what came
   * with it: the channel would send the head in a record of its own.
   */
  async #respond(connection: OriginConnection): Promise<void> {
    const { reader } = connection;
    const limits = this.#service.headLimits;
    let seenBytes = 0;
    try {
      for (let interim = 0; interim <= MAX_INTERIM_RESPONSES;) {
        const head = reader.available === seenBytes
          ? null
          : parseResponseHead(reader.buffer, reader.start, reader.end, limits, reader.start + seenBytes);
        if (head === null) {
          seenBytes = reader.available;
          if (!this.#stream.idle) await this.#taken();
          const more = !this.#over && await reader.fill().catch(endOfSocket);
          if (this.#over) return;
          if (!more) return this.#lost(connection, interim > 0 || seenBytes > 0);
          continue;
        }
        seenBytes = 0;
        this.#judge(head);
        this.#stream.offer(reader.buffer, reader.start, reader.start + head.bytes);
        reader.take(head.bytes);
        if (head.status >= 200 || head.status === 101) return await this.#pass(connection, head);
        interim++;
      }
      throw new PosternError("http_bad_response", "Cannot use response of the origin: too many interim ones");
    } catch (error) {
      this.#fail(error, "origin_reset");
    }
  }

  /** What follows the final head. */
  #pass(connection: OriginConnection, head: ResponseHead): Promise<void> {
    this.#deadline?.lift();
    this.#answered = true;
    this.#service.countResponse(this.#request!, head.status, this.#startedAt);
    return head.status === 101 ? this.#upgrade(connection) : this.#relay(connection, head);
  }

  /** Refuses a switch to a protocol that nobody asked for. */
  #judge(head: ResponseHead): void {
    if (head.status !== 101 || head.upgrade === this.#request!.upgrade) return;
    throw new PosternError(
      "http_bad_response",
      "Cannot use response of the origin: it switches protocols unasked",
    );
  }

  /** The origin closed before a whole response head. A pooled connection may just have been too old. */
  #lost(connection: OriginConnection, answered: boolean): void {
    const stale = connection.isReused && !answered && !this.#repeated;
    if (!stale || !isRepeatable(this.#request!.method) || !this.#body!.isEmpty) {
      return this.#refuse("origin_reset");
    }
    this.#repeated = true;
    this.#deadline?.lift();
    this.#connection = undefined;
    this.#service.pool.drop(connection);
    this.#body!.detach();
    this.#acquire(true);
  }

  async #relay(connection: OriginConnection, head: ResponseHead): Promise<void> {
    const { reader } = connection;
    const stream = this.#stream;
    const body = BodyReader.forResponse(head, this.#request!.method);
    let bodyBytes = 0;
    for (;;) {
      const event = body.push(reader.buffer, reader.start, reader.end);
      if (event === "data") {
        bodyBytes += body.dataEnd - body.dataStart;
        stream.offer(reader.buffer, body.dataStart, body.dataEnd);
      }
      reader.take(body.nextStart - reader.start);
      if (event === "data") continue;
      if (event === "done") break;
      if (!stream.idle) await this.#taken();
      if (this.#over) return;
      const more = await reader.fill();
      if (this.#over) return;
      if (!more) {
        body.eof();
        break;
      }
    }
    stream.end(serializeTrailers(body.trailers));
    if (!stream.idle) await this.#taken();
    if (this.#over) return;
    this.#service.countBytes(this.#body!.bytes, bodyBytes);
    this.#release(persistent(head) && body.framing.kind !== "until_close");
  }

  /** The response is with the edge; the request, if something of it is still to come, is of no interest any more. */
  #release(mayKeep: boolean): void {
    const connection = this.#connection!;
    const { pool, deadlines } = this.#service;
    const written = this.#body!.isWritten && !this.#discarding && !connection.writer.failed;
    const keep = mayKeep && written && this.#request!.upgrade === null;
    this.#over = true;
    this.#connection = undefined;
    this.#discard();
    if (!keep) return pool.drop(connection);
    connection.detach();
    if (connection.writer.queuedBytes === 0) return pool.giveBack(connection);
    // The answer may be read before the last write is told to be done.
    const deadline = deadlines.set(SETTLE_MS, () => connection.close());
    connection.writer.flushed().then(() => {
      deadline.lift();
      if (connection.isClosed || connection.writer.failed) pool.drop(connection);
      else pool.giveBack(connection);
    });
  }

  async #upgrade(connection: OriginConnection): Promise<void> {
    const { slabs, pool } = this.#service;
    this.#over = true;
    this.#connection = undefined;
    const splice = new StreamSplice({
      stream: this.#stream,
      socket: { ...connection.reader.rest(), close: () => connection.socket.close() },
      slabs,
      retain: () => this.#pump.retain(),
      writer: connection.writer,
      onBytes: (fromOrigin, toOrigin) => this.#service.countBytes(toOrigin, fromOrigin),
    });
    this.#stream.handler = splice;
    const over = splice.run();
    this.#body!.early.handTo(splice);
    await over;
    pool.drop(connection);
  }

  #taken(): Promise<void> {
    return new Promise((resolve) => this.#takenWaiter = resolve);
  }

  /** Counts from the last progress of the request: a slow upload is no slow origin. */
  #armDeadline(): void {
    const { deadlines, clock, origin } = this.#service;
    const delayMs = this.#activityAt + origin.responseMs - clock.now();
    this.#deadline = deadlines.set(delayMs, () => {
      const waitsForViewer = !this.#body!.isWritten && this.#held === 0;
      if (waitsForViewer) this.#activityAt = clock.now();
      if (clock.now() < this.#activityAt + origin.responseMs) this.#armDeadline();
      else this.#refuse("origin_timeout");
    });
  }

  /** Returns the credit of what was not written, and of whatever is still to come. */
  #discard(): void {
    if (this.#discarding) return;
    this.#discarding = true;
    this.#stream.consumed(this.#held);
    this.#held = 0;
  }

  #fail(error: unknown, otherwise: ResetReason): void {
    if (this.#over) return;
    const code = codeOf(error);
    this.#service.log(code === "internal_error" ? "error" : "debug", "request failed", {
      code,
      request_id: this.#stream.opening.requestId,
      detail: error instanceof Error ? error.message : undefined,
      cause: code === "internal_error" && error instanceof Error ? error.stack : undefined,
    });
    if (code === "internal_error") this.#refuse("internal");
    else this.#refuse(code === "http_bad_response" ? "origin_protocol" : otherwise);
  }

  #refuse(reason: ResetReason): void {
    if (this.#over) return;
    this.#service.countRefusal(reason);
    const request = this.#request;
    if (request !== undefined && !this.#answered) this.#service.showFailure(request, reason, this.#startedAt);
    this.#stream.reset(reason);
    this.#finish();
  }

  /** The stream is gone: whatever is under way for it ends. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#discarding = true;
    this.#deadline?.lift();
    this.#abort?.abort();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) this.#service.pool.drop(connection);
    this.onTaken();
  }
}

/** A broken connection ends like a closed one; anything else is a bug. */
function endOfSocket(error: unknown): false {
  if (error instanceof PosternError) return false;
  throw error;
}
