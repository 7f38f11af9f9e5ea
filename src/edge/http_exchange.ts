/**
 * One request of a viewer: route, stream to an agent, body up, response down. A request that no origin can have seen, or
 * that may be repeated (RFC 9110 9.2.2) and has sent no body, goes to another session when the first one is lost.
 */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import { type SocketReader, type SocketWriter, StreamSplice } from "../driver/mod.ts";
import {
  BodyReader,
  errorResponse,
  forwardedRequest,
  type RequestHead,
  serializeRequestHead,
  serializeTrailers,
} from "../http1/mod.ts";
import type { MuxStream } from "../mux/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { noTracer, statusClass } from "../telemetry/mod.ts";
import { type ResetReason, streamClass, type StreamOpening } from "../wire/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import type { EdgeContext, Viewer } from "./context.ts";
import type { Departure } from "./departure.ts";
import { type RelayOutcome, ResponseRelay } from "./response_relay.ts";
import type { RouteGroup } from "./route_group.ts";

const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS"]);
/** Reasons after which the origin has certainly not seen the request. */
const UNSEEN: ReadonlySet<ResetReason> = new Set(["draining", "stream_limit", "unknown_service"]);
const HTTP_CLASS = streamClass("storage_fetch");
/** How long a small response that is not whole is held back from the viewer. */
const HOLD_MS = 100;
/** Sessions that are tried for one request. */
const MAX_ATTEMPTS = 8;

export interface ExchangeInput {
  readonly context: EdgeContext;
  readonly viewer: Viewer;
  readonly socket: ByteStream;
  readonly reader: SocketReader;
  readonly writer: SocketWriter;
  readonly head: RequestHead;
  readonly requestId: string;
  /** Whether the viewer's connection may carry another request. */
  readonly keepAlive: boolean;
  /** Tells when the viewer has gone. */
  readonly departure: Departure;
  /** Bytes of the viewer after an upgrade, for whoever watches the connection. */
  readonly onUpgradedBytes: (bytes: number) => void;
}

/** Whether the viewer's connection may be used again. */
export type ExchangeResult = "keep" | "close";

export class HttpExchange {
  readonly #in: ExchangeInput;
  readonly #body: BodyReader;
  readonly #startedAt: number;
  #bodyTouched = false;
  #bytesIn = 0;

  constructor(input: ExchangeInput) {
    this.#in = input;
    this.#body = BodyReader.forRequest(input.head);
    this.#startedAt = input.context.clock.now();
  }

  /** Serves the request. Never throws; the viewer has its answer, or its connection is to be closed. */
  run(): Promise<ExchangeResult> {
    const { context, head, requestId } = this.#in;
    const fields = {
      "http.request.method": head.method,
      "server.address": head.hostname,
      "request.id": requestId,
    };
    return context.tracer === noTracer
      ? this.#run()
      : context.tracer.span("request", fields, () => this.#run());
  }

  async #run(): Promise<ExchangeResult> {
    const { context, head } = this.#in;
    try {
      const { routes } = context.sessions;
      let group = routes.find(head.hostname);
      if (group === undefined) {
        const route = await context.knownRoute(head.hostname);
        if (route === undefined) return this.#refuse("unknown_host");
        group = routes.expect(route);
        if (group === undefined) return this.#refuse("tunnel_offline");
      }
      return await this.#serve(group);
    } catch (error) {
      if (this.#in.departure.happened) return "close";
      return this.#refuse(error instanceof PosternError ? error.code : "internal_error", error);
    }
  }

  async #serve(group: RouteGroup): Promise<ExchangeResult> {
    const { departure } = this.#in;
    const { routes } = this.#in.context.sessions;
    const tried = new Set<AgentSession>();
    for (let attempt = 1;; attempt++) {
      const session = routes.pick(group, tried) ?? await routes.session(group, departure.signal, tried);
      tried.add(session);
      const outcome = await this.#attempt(session);
      if (outcome === undefined) return "close"; // upgraded, and over by now
      if (outcome.kind === "complete") {
        await this.#in.writer.flushed();
        return outcome.keepAlive && this.#body.done && !this.#in.writer.failed ? "keep" : "close";
      }
      if (outcome.kind === "upgraded") return "close";
      if (departure.happened || outcome.started) return "close";
      if (attempt < MAX_ATTEMPTS && this.#mayRepeat(outcome, group, tried)) continue;
      return this.#refuse(outcome.code);
    }
  }

  #mayRepeat(
    outcome: RelayOutcome & { kind: "failed" },
    group: RouteGroup,
    tried: ReadonlySet<AgentSession>,
  ): boolean {
    if (this.#bodyTouched) return false;
    if (outcome.reason !== undefined && UNSEEN.has(outcome.reason)) return true;
    // Nothing listened: another agent of the same service may do better.
    if (outcome.code === "origin_refused") return group.sessions.some((session) => !tried.has(session));
    return outcome.code === "channel_lost" && REPEATABLE.has(this.#in.head.method);
  }

  /** One try on one session; undefined when the connection was upgraded and has ended. */
  async #attempt(session: AgentSession): Promise<RelayOutcome | undefined> {
    const { context, writer, head } = this.#in;
    const repeatable = REPEATABLE.has(head.method) && head.framing.kind === "none";
    const relay = new ResponseRelay({
      request: head,
      writer,
      retain: () => session.pump.retain(),
      keepAlive: this.#in.keepAlive,
      onHead: (status) => this.#onHead(session, status),
      holdFor: repeatable ? (flush) => context.deadlines.set(HOLD_MS, flush) : undefined,
    });
    let stream: MuxStream;
    try {
      stream = session.channel.open(this.#opening(), relay);
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      return { kind: "failed", code: "channel_lost", reason: "draining", started: false };
    }
    relay.attach(stream);
    session.requests++;
    writer.events = {
      onWritten: (credit) => stream.consumed(credit),
      onError: () => relay.abort("channel_lost"),
    };
    this.#in.departure.onGone = () => relay.abort("channel_lost");
    const deadline = context.deadlines.set(context.config.timeouts.originResponseMs, () => {
      if (relay.status === 0 && this.#body.done) relay.abort("origin_timeout");
    });
    try {
      const sending = this.#send(stream, relay);
      const outcome = await relay.outcome;
      if (outcome.kind === "failed" && outcome.code.startsWith("origin_")) {
        session.originAnswered(false, context.clock.now());
      }
      if (outcome.kind === "upgraded") {
        await this.#upgrade(session, stream, relay);
        return undefined;
      }
      if (outcome.kind === "failed" || !this.#body.done) stream.reset("cancelled");
      else if (this.#in.head.upgrade !== null) stream.end(); // declined: nothing follows
      // What the agent has not taken lies in the buffer that the next request is read into: it must not be sent any more.
      else if (!await sending) stream.reset("cancelled");
      this.#count(session, relay);
      return outcome;
    } finally {
      deadline.lift();
      this.#in.departure.onGone = undefined;
    }
  }

  #opening(): StreamOpening {
    const { viewer, requestId } = this.#in;
    return { class: HTTP_CLASS, kind: "http", service: 0, viewer: viewer.address, requestId };
  }

  /** Head and body to the agent, whether it took all of them; a failure here ends the relay. */
  async #send(stream: MuxStream, relay: ResponseRelay): Promise<boolean> {
    const { head, viewer, requestId, reader } = this.#in;
    try {
      stream.offer(serializeRequestHead(forwardedRequest(head, {
        clientIp: viewer.ip,
        scheme: viewer.scheme,
        host: head.host,
        requestId,
      })));
      if (head.upgrade !== null) return false; // what follows belongs to the new protocol, or to nobody
      return await this.#sendBody(stream, relay, reader);
    } catch (error) {
      if (!relay.settled) relay.abort(error instanceof PosternError ? error.code : "internal_error");
      return false;
    }
  }

  async #sendBody(stream: MuxStream, relay: ResponseRelay, reader: SocketReader): Promise<boolean> {
    const body = this.#body;
    const { context } = this.#in;
    while (!relay.settled) {
      const event = body.push(reader.buffer, reader.start, reader.end);
      if (event === "done") {
        reader.take(body.nextStart - reader.start);
        stream.end(serializeTrailers(body.trailers));
        return true;
      }
      if (event === "data") {
        this.#bodyTouched = true;
        this.#bytesIn += body.dataEnd - body.dataStart;
        stream.offer(reader.buffer, body.dataStart, body.dataEnd);
        await relay.taken();
        reader.take(body.nextStart - reader.start);
        continue;
      }
      reader.take(body.nextStart - reader.start);
      const idle = context.deadlines.set(
        context.config.timeouts.streamIdleMs,
        () => relay.abort("stream_idle"),
      );
      try {
        if (!await reader.fill()) body.eof();
      } finally {
        idle.lift();
      }
    }
    return false;
  }

  /** Joins viewer and stream byte for byte until both have ended. */
  async #upgrade(session: AgentSession, stream: MuxStream, relay: ResponseRelay): Promise<void> {
    const { context, reader, writer, socket } = this.#in;
    const service = context.metrics.serviceLabel(this.#in.head.hostname);
    const splice = new StreamSplice({
      stream,
      socket: { ...reader.rest(), close: () => socket.close() },
      slabs: context.slabs,
      retain: () => session.pump.retain(),
      writer,
      onBytes: (fromViewer, toViewer) => {
        this.#in.onUpgradedBytes(fromViewer);
        context.metrics.bytes.inc({ direction: "in", service }, fromViewer);
        context.metrics.bytes.inc({ direction: "out", service }, toViewer);
      },
    });
    const over = splice.run();
    relay.handOver(splice);
    await over;
  }

  #onHead(session: AgentSession, status: number): void {
    session.originAnswered(true, this.#in.context.clock.now());
    const { metrics, clock } = this.#in.context;
    const service = metrics.serviceLabel(this.#in.head.hostname);
    metrics.requests.inc({ service, status: statusClass(status) });
    metrics.requestSeconds.observe({ service }, (clock.now() - this.#startedAt) / 1_000);
  }

  #count(session: AgentSession, relay: ResponseRelay): void {
    const { metrics, log } = this.#in.context;
    const service = metrics.serviceLabel(this.#in.head.hostname);
    metrics.bytes.inc({ direction: "in", service }, this.#bytesIn);
    metrics.bytes.inc({ direction: "out", service }, relay.bodyBytes);
    log("debug", "request", {
      request_id: this.#in.requestId,
      host: this.#in.head.hostname,
      status: relay.status,
      session_id: session.id,
      bytes_in: this.#bytesIn,
      bytes_out: relay.bodyBytes,
    });
  }

  /** Answers with Postern's own error. */
  #refuse(code: ErrorCode, cause?: unknown): ExchangeResult {
    const { context, head, writer, requestId } = this.#in;
    const error = new PosternError(code);
    const { status = 502, title } = error.facts;
    context.metrics.refusals.inc({ code, layer: "http" });
    context.metrics.requests.inc({
      service: context.metrics.serviceLabel(code === "unknown_host" ? "unknown" : head.hostname),
      status: statusClass(status),
    });
    context.log(code === "internal_error" ? "error" : "info", "request refused", {
      request_id: requestId,
      code,
      host: head.hostname,
      cause: cause instanceof Error && code === "internal_error" ? cause.stack : undefined,
    });
    const keep = this.#in.keepAlive && this.#body.done && head.upgrade === null;
    writer.events = { onWritten() {}, onError() {} };
    writer.write(
      errorResponse({
        status,
        code,
        title,
        requestId,
        detail: error.facts.cause,
        accept: head.headers.get("accept"),
        head: head.method === "HEAD",
        close: !keep,
        headers: status === 503 ? [["Retry-After", "5"]] : [],
      }),
      0,
    );
    return keep ? "keep" : "close";
  }
}
