/** One connection on the public listener that speaks HTTP/2: every stream is an exchange like those of HTTP/1.1. */
import { networkOf } from "../bytes/mod.ts";
import { type Deadline, SocketReader, SocketWriter } from "../driver/mod.ts";
import { type ErrorCode, errorOf, PosternError } from "../errors/mod.ts";
import { explainedError, type RequestHead } from "../http1/mod.ts";
import {
  H2Error,
  type HeaderBlock,
  HTTP2_LIMITS,
  Http2Body,
  Http2Connection,
  type Http2Handler,
  type Http2Stream,
  requestHead,
} from "../http2/mod.ts";
import type { UnreadMember } from "../mux/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { upgradeAccept, upgradeKey } from "../wire/websocket/mod.ts";
import { type TrustedProxies, withoutPort } from "./client_ip.ts";
import type { EdgeContext, Viewer } from "./context.ts";
import { controlExchange } from "./control_exchange.ts";
import { Departure } from "./departure.ts";
import { Http2ResponseWriter } from "./http2_response_writer.ts";
import { Http2StallWatch } from "./http2_stall_watch.ts";
import { HttpExchange } from "./http_exchange.ts";
import { linger } from "./linger.ts";
import { ProgressWatch } from "./progress_watch.ts";
import { isControlHost, requestIdOf, viewerBehind } from "./viewer_identity.ts";

export interface Http2ViewerOptions {
  readonly context: EdgeContext;
  readonly proxies: TrustedProxies;
  readonly socket: ByteStream;
  readonly scheme: "http" | "https";
  /** Whether the connection may carry requests for a host: what its certificate does not cover is for another one. */
  readonly covers: (hostname: string) => boolean;
}

/** What is waited for: `head` has a frame or block that is not whole. */
type Phase = "first" | "idle" | "head" | "busy";

/** Bytes that wait for the viewer above which nothing more is read from it: twice what DATA may fill. */
const UNREAD_BYTES = 262_144;

/** How long a viewer that has its answer may keep the rest of its request to itself. */
const SILENT_MS = 250;

export class Http2ViewerConnection implements Http2Handler, UnreadMember {
  readonly isCarrier = false;
  readonly #options: Http2ViewerOptions;
  readonly #context: EdgeContext;
  readonly #socket: ByteStream;
  readonly #reader: SocketReader;
  readonly #writer: SocketWriter;
  readonly #connection: Http2Connection;
  readonly #direct: Viewer;
  /** Who counts as the direct viewer. */
  readonly #network: string;
  readonly #trusted: boolean;
  readonly #watch: ProgressWatch;
  readonly #stalls: Http2StallWatch;
  #phase: Phase | undefined;
  #deadline: Deadline | undefined;
  #pumpQueued = false;
  #resume: () => void = () => {};
  #closing = false;

  constructor(options: Http2ViewerOptions) {
    const { context, socket, proxies, scheme } = options;
    const { config, deadlines, clock, slabs } = context;
    this.#options = options;
    this.#context = context;
    this.#socket = socket;
    this.#reader = new SocketReader(socket, slabs);
    this.#writer = new SocketWriter(socket, slabs, {
      onWritten: () => this.#onWritten(),
      onError: () => this.#lost(),
    });
    const { maxHeadBytes, maxHeaders, maxConcurrentHttp2Streams } = config.limits;
    const limits = {
      ...HTTP2_LIMITS,
      maxHeaderListBytes: maxHeadBytes,
      maxHeaders,
      maxConcurrentStreams: maxConcurrentHttp2Streams,
    };
    const writer = this.#writer;
    const output = {
      write: (bytes: Uint8Array) => writer.write(bytes, bytes.length),
      get queuedBytes() {
        return writer.queuedBytes;
      },
    };
    this.#connection = new Http2Connection(limits, output, this);
    this.#connection.start();
    const address = socket.remoteAddress;
    const ip = withoutPort(address);
    this.#direct = { ip, address, scheme, proxied: false };
    this.#network = networkOf(ip);
    this.#trusted = proxies.trusts(ip);
    this.#watch = new ProgressWatch({
      deadlines,
      clock,
      limits: config.timeouts,
      progress: () => ({
        bytes: writer.writtenBytes + this.#reader.readBytes,
        queuedBytes: writer.queuedBytes,
        busy: this.#connection.openStreams > 0 || writer.queuedBytes > 0,
      }),
      onStuck: (code) => this.#giveUp(code),
    });
    this.#stalls = new Http2StallWatch({
      deadlines,
      clock,
      limits: config.timeouts,
      streams: () => this.#connection.streams,
      onStuck: (stream, code) => this.#cut(stream, code),
    });
  }

  /** Serves until the connection is over. Never throws. */
  async run(): Promise<void> {
    const { unreadRequests } = this.#context;
    unreadRequests.join(this);
    this.#watch.start();
    this.#stalls.start();
    try {
      await this.#readLoop();
      if (this.#connection.failed !== undefined) this.#tell(this.#connection.failed);
      if (this.#connection.isFinishing) await linger(this.#lingering);
    } catch {
      // Broken off: there is nobody to answer.
    } finally {
      this.#closing = true;
      this.#connection.abandon();
      unreadRequests.leave(this, 0); // streams give back what they hold
      this.#deadline?.lift();
      await this.#writer.flushed();
      this.#watch.stop();
      this.#stalls.stop();
      this.#socket.close();
      this.#reader.release();
    }
  }

  /** Asks the viewer to begin no further requests here. */
  stop(): void {
    this.#connection.shutdown();
  }

  /** Serves what has begun and nothing else; ends with the last of it, or now. */
  finish(): void {
    this.#connection.finish();
    this.#closeIfOver();
  }

  /** @internal For {@link Http2Connection}: one pump a turn, whatever number of streams ask for it. */
  wake(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    queueMicrotask(this.#turn);
  }

  /** @internal For {@link Http2Connection}. */
  onRequest(stream: Http2Stream, block: HeaderBlock): void {
    this.#serve(stream, block);
  }

  /** @internal For {@link Http2Connection}. */
  onUnread(difference: number): void {
    if (difference > 0) this.#context.unreadRequests.take(difference);
    else this.#context.unreadRequests.give(-difference);
  }

  /** @internal For the bound on all connections' unread bytes. */
  get unread(): number {
    return this.#connection.unread;
  }

  /** @internal */
  relieve(): void {
    const { heaviest } = this.#connection;
    if (heaviest === undefined) return;
    this.#cut(heaviest, "unread_limit");
    heaviest.forgetUnread();
  }

  /** @internal */
  unpressed(): void {}

  readonly #turn = (): void => {
    this.#pumpQueued = false;
    this.#connection.pump();
    this.#arm();
    this.#closeIfOver();
  };

  get #lingering() {
    return {
      reader: this.#reader,
      writer: this.#writer,
      socket: this.#socket,
      deadlines: this.#context.deadlines,
      timeoutMs: this.#context.config.timeouts.lingerMs,
    };
  }

  async #readLoop(): Promise<void> {
    const reader = this.#reader;
    const { clock } = this.#context;
    for (;;) {
      this.#arm();
      // Heads and control frames need no window: who does not read them is not read either.
      if (this.#writer.queuedBytes > UNREAD_BYTES) await this.#taken();
      if (!await reader.fill() || this.#closing) return;
      const at = this.#connection.receive(reader.buffer, reader.start, reader.end, clock.now());
      const moved = at > reader.start && !this.#connection.hasOpenBlock;
      reader.take(at - reader.start);
      if (this.#connection.failed !== undefined) return;
      if (this.#context.unreadRequests.isFull) this.#context.unreadRequests.relieve();
      if (moved && this.#phase === "head") this.#phase = undefined; // the next frame has time of its own
    }
  }

  #onWritten(): void {
    this.#connection.pump();
    if (this.#writer.queuedBytes <= UNREAD_BYTES) this.#resume();
  }

  #taken(): Promise<void> {
    return new Promise((resolve) => this.#resume = resolve);
  }

  /** The deadline of what is waited for now. */
  #arm(): void {
    const { config, deadlines } = this.#context;
    const connection = this.#connection;
    const phase = connection.hasOpenBlock || this.#reader.available > 0
      ? "head"
      : connection.openStreams > 0
      ? "busy"
      : connection.requests === 0
      ? "first"
      : "idle";
    if (phase === this.#phase || this.#closing) return;
    this.#phase = phase;
    this.#deadline?.lift();
    this.#deadline = undefined;
    const { peekMs, idleKeepAliveMs, requestHeadMs } = config.timeouts;
    if (phase === "head") this.#deadline = deadlines.set(requestHeadMs, () => this.#timeoutHead());
    else if (phase !== "busy") {
      this.#deadline = deadlines.set(phase === "first" ? peekMs : idleKeepAliveMs, () => this.finish());
    }
  }

  /** A frame that comes in drops. */
  #timeoutHead(): void {
    this.#connection.fail(new PosternError("head_timeout"));
    this.#tell(this.#connection.failed!);
    this.#end();
  }

  #closeIfOver(): void {
    if (!this.#connection.isFinishing || this.#connection.openStreams > 0 || this.#closing) return;
    this.#end();
  }

  /** Everything is said: what is queued goes out, and the connection with it. */
  #end(): void {
    this.#closing = true;
    this.#writer.flushed().then(() => linger(this.#lingering)).finally(() => this.#socket.close());
  }

  /** The socket takes nothing more. */
  #lost(): void {
    this.#connection.abandon();
    this.#resume();
    this.#socket.close();
  }

  /** Nothing moves on the whole connection. */
  #giveUp(code: ErrorCode): void {
    this.#tell(new PosternError(code));
    this.#writer.abort();
    this.#lost();
  }

  /** Nothing moves on one stream. */
  #cut(stream: Http2Stream, code: ErrorCode): void {
    this.#tell(new PosternError(code));
    const { handler } = stream;
    stream.reset(H2Error.cancel);
    handler?.onReset();
  }

  #tell(error: PosternError): void {
    const { metrics, log } = this.#context;
    metrics.refusals.inc({ code: error.code, layer: "http" });
    const internal = error.code === "internal_error";
    log(internal ? "error" : "info", "connection ended by the edge", {
      code: error.code,
      remote: this.#socket.remoteAddress,
      detail: error.message,
      cause: internal && error.cause instanceof Error ? error.cause.stack : undefined,
    });
  }

  /** One request. Never throws. */
  async #serve(stream: Http2Stream, block: HeaderBlock): Promise<void> {
    const { config, random } = this.#context;
    const departure = new Departure();
    let accept: string | undefined;
    let head: RequestHead | PosternError;
    try {
      head = requestHead(block, {
        ended: stream.remoteEnded,
        maxTargetBytes: config.limits.maxTargetBytes,
        webSocketKey: () => {
          const key = upgradeKey(random);
          accept = upgradeAccept(key);
          return key;
        },
      });
      if (!this.#options.covers(head.hostname)) head = new PosternError("misdirected_request");
    } catch (error) {
      head = errorOf(error);
    }
    const writer = new Http2ResponseWriter(stream, this.#socket.remoteAddress, accept, departure.tell);
    stream.handler = writer;
    if (this.#connection.requests >= config.limits.requestsPerConnection) this.#retire();
    if (head instanceof PosternError) {
      stream.malformed = head.facts.status === 400;
      this.#refuse(writer, head, isHead(block));
    } else await this.#exchange(stream, head, writer, departure);
    await writer.flushed();
    if (stream.localEnded && !stream.closed) await this.#untilHeard(writer);
    writer.finish();
  }

  /**
   * Viewers that get an answer and RST_STREAM in one piece may not see the answer (curl before 8.0, where it waits for 100):
   * what they have not sent is only cut when they send more of it, or are silent for a while.
   */
  async #untilHeard(writer: Http2ResponseWriter): Promise<void> {
    const late = Promise.withResolvers<void>();
    const deadline = this.#context.deadlines.set(SILENT_MS, late.resolve);
    await Promise.race([writer.heard(), late.promise]);
    deadline.lift();
  }

  async #exchange(
    stream: Http2Stream,
    head: RequestHead,
    writer: Http2ResponseWriter,
    departure: Departure,
  ): Promise<void> {
    const context = this.#context;
    const viewer = this.#trusted ? viewerBehind(this.#options.proxies, this.#direct, head) : this.#direct;
    const network = this.#trusted ? networkOf(viewer.ip) : this.#network;
    if (!context.openRequests.enter(network)) {
      return this.#refuse(writer, new PosternError("viewer_limit"), head.method === "HEAD");
    }
    const reader = new SocketReader(writer, context.slabs);
    const input = {
      context,
      viewer,
      socket: writer,
      reader,
      writer,
      head,
      body: new Http2Body(stream, head),
      requestId: requestIdOf(head, context),
      // Only the stream hangs on it: the rest of a body that nobody wants is read for a moment, since there are clients
      // that lose an answer when a reset comes with it.
      keepAlive: true,
      departure,
    };
    try {
      if (!isControlHost(head.hostname, context.config)) await new HttpExchange(input).run();
      else if (head.upgrade !== null) throw new PosternError("http_connect_refused");
      else await controlExchange(input);
    } catch (error) {
      this.#refuse(writer, errorOf(error), head.method === "HEAD");
    } finally {
      reader.release();
      context.openRequests.leave(network);
    }
  }

  /** After so many requests the viewer is asked to come back on another connection. */
  #retire(): void {
    const { requestsPerConnection, maxConcurrentHttp2Streams } = this.#context.config.limits;
    const over = this.#connection.requests - requestsPerConnection;
    if (over === 0) this.#connection.shutdown();
    else if (over >= maxConcurrentHttp2Streams) this.#connection.finish(); // as many may have been on their way
  }

  #refuse(writer: Http2ResponseWriter, error: PosternError, head: boolean): void {
    if (writer.failed) return;
    const { metrics, log, newRequestId } = this.#context;
    const requestId = newRequestId();
    metrics.refusals.inc({ code: error.code, layer: "http" });
    log(error.code === "internal_error" ? "error" : "info", "request refused", {
      request_id: requestId,
      code: error.code,
      remote: this.#socket.remoteAddress,
      cause: error.cause instanceof Error ? error.cause.stack : undefined,
    });
    writer.refuse(explainedError(error, { requestId, accept: null, head }));
  }
}

/** Whether a head that may be unusable asks for none but a head. */
function isHead({ names, values }: HeaderBlock): boolean {
  return values[names.indexOf(":method")] === "HEAD";
}
