/**
 * One request of a viewer: route, stream to an agent, body up, response down. A request that no origin can have seen, or
 * that may be repeated (RFC 9110 9.2.2) and has sent no body, goes to another session when the first one is lost.
 */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import {
  type Deadline,
  NO_WRITER_EVENTS,
  type SocketReader,
  StreamSplice,
  type WireBuffer,
} from "../driver/mod.ts";
import {
  forwardedRequest,
  type Header,
  isRepeatable,
  type RequestHead,
  serializeRequestHead,
  serializeTrailers,
} from "../http1/mod.ts";
import type { MuxStream } from "../mux/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { noTracer } from "../telemetry/mod.ts";
import { type ResetReason, streamClass, type StreamOpening } from "../wire/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import type { EdgeContext, Viewer } from "./context.ts";
import type { Departure, DepartureListener } from "./departure.ts";
import type { HeldRules } from "./held_rules.ts";
import { discardBody, type RequestBody } from "./request_body.ts";
import { type RelayOptions, type RelayOutcome, ResponseRelay } from "./response_relay.ts";
import type { ResponseWriter } from "./response_writer.ts";
import type { RouteGroup } from "./route_group.ts";
import { isTlsRoute } from "./routes.ts";

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
  readonly writer: ResponseWriter;
  readonly head: RequestHead;
  /** Finds the body in what the reader has. */
  readonly body: RequestBody;
  readonly requestId: string;
  /** Whether the viewer's connection may carry another request. */
  readonly keepAlive: boolean;
  /** Tells when the viewer has gone. */
  readonly departure: Departure;
  /** The whole body came: from now on the viewer has nothing to say until it is answered. */
  readonly onBodyRead?: () => void;
  /** Bytes of the viewer after an upgrade, for who watches the connection and sees none of them otherwise. */
  readonly onUpgradedBytes?: (bytes: number) => void;
}

/** Whether the viewer's connection may be used again; "linger": it is over, and the viewer may be sending still. */
export type ExchangeResult = "keep" | "close" | "linger";

/** A session that looked online takes no stream any more. */
const NOT_OPENED: RelayOutcome & { kind: "failed" } = Object.freeze({
  kind: "failed",
  code: "channel_lost",
  reason: "draining",
  started: false,
});

export class HttpExchange implements RelayOptions, DepartureListener {
  readonly #in: ExchangeInput;
  readonly #body: RequestBody;
  readonly #startedAt: number;
  /** What is held for the service; undefined for most. */
  #rules: HeldRules | undefined;
  /** In metrics: the route, since viewers make up hosts below a wildcard. */
  #service = "unknown";
  #bodyTouched = false;
  #bytesIn = 0;
  /** Of the try that is under way, or was the last. */
  #session: AgentSession | undefined;
  #stream: MuxStream | undefined;
  #relay: ResponseRelay | undefined;
  #sending: Promise<boolean> | boolean = false;
  #late: Deadline | undefined;

  constructor(input: ExchangeInput) {
    this.#in = input;
    this.#body = input.body;
    this.#startedAt = input.context.clock.now();
  }

  get request(): RequestHead {
    return this.#in.head;
  }
  get writer(): ResponseWriter {
    return this.#in.writer;
  }
  /** A viewer that waits for 100 (Continue) and gets its answer instead may send the body or not: nobody could tell. */
  get keepAlive(): boolean {
    const { keepAlive, head } = this.#in;
    return keepAlive && !(head.expectContinue && !this.#bodyTouched && !this.#body.done);
  }
  /** A request may be repeated while its viewer has seen nothing. */
  get maySwitch(): boolean {
    return this.#in.head.framing.kind === "none" && isRepeatable(this.#in.head.method);
  }

  get rules(): HeldRules | undefined {
    return this.#rules;
  }

  retain(): WireBuffer | undefined {
    return this.#session!.pump.retain();
  }

  holdFor(flush: () => void): Deadline {
    return this.#in.context.deadlines.set(HOLD_MS, flush);
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

  /** The viewer has gone: whatever is under way for it ends. */
  onGone(): void {
    this.#relay?.abort("channel_lost");
  }

  /** One async function for the whole of an ordinary request: each further one would cost as much as a small header. */
  async #run(): Promise<ExchangeResult> {
    const { context, head, departure, writer, viewer } = this.#in;
    try {
      if (viewer.proxied && !context.viewers.admits(viewer.ip)) return this.#refuse("address_denied");
      const { routes } = context.sessions;
      const group = routes.find(head.hostname) ?? await this.#expected();
      if (typeof group === "string") return this.#refuse(group);
      this.#service = group.name;
      const rules = group.guard?.rules;
      if (rules !== undefined) {
        this.#rules = rules;
        const admitted = rules.admitRequest(viewer.ip, head.headers, viewer.proxied ? undefined : viewer);
        const refusal = admitted instanceof Promise ? await admitted : admitted;
        if (departure.happened) return "close";
        if (refusal !== undefined) {
          return this.#refuse(refusal.code, undefined, refusal.headers, rules.mayTell() ? "info" : "debug");
        }
      }
      let tried: Set<AgentSession> | undefined;
      for (let attempt = 1;; attempt++) {
        const session = routes.pick(group, tried) ?? await routes.session(group, departure.signal, tried);
        const outcome = this.#begin(session) ? await this.#relay!.outcome : NOT_OPENED;
        if (outcome.kind === "upgraded") {
          await this.#upgrade(session);
          return "close";
        }
        const sent = outcome.kind === "complete" && this.#body.done &&
          (typeof this.#sending === "boolean" ? this.#sending : await this.#sending);
        this.#end(session, outcome, sent);
        if (outcome.kind === "complete") {
          await writer.flushed();
          if (writer.failed || departure.happened) {
            this.#stream?.reset("cancelled"); // what the viewer never took is credit again
            return "close";
          }
          if (outcome.keepAlive && (this.#body.done || await discardBody(this.#in))) return "keep";
          return this.#isRead ? "close" : "linger";
        }
        if (departure.happened || outcome.started) return "close";
        tried ??= new Set();
        tried.add(session);
        if (attempt < MAX_ATTEMPTS && this.#mayRepeat(outcome, group, tried)) continue;
        return this.#refuse(outcome.code);
      }
    } catch (error) {
      if (departure.happened) return "close";
      return this.#refuse(error instanceof PosternError ? error.code : "internal_error", error);
    } finally {
      this.#leave();
    }
  }

  /** The group of a name without a route: its agent may be on the way back. */
  async #expected(): Promise<RouteGroup | "unknown_host" | "tunnel_offline" | "misdirected_request"> {
    const { context, head } = this.#in;
    const route = await context.knownRoute(head.hostname);
    if (route === undefined) return "unknown_host";
    this.#service = route.name;
    if (isTlsRoute(route.name)) return "misdirected_request";
    const guard = context.guards.put(route.tunnelId, route.rules);
    return context.sessions.routes.expect(route.name, guard) ?? "tunnel_offline";
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
    return outcome.code === "channel_lost" && isRepeatable(this.#in.head.method);
  }

  /** Begins one try on one session; false when it takes no stream. */
  #begin(session: AgentSession): boolean {
    const { context, writer, departure } = this.#in;
    const relay = new ResponseRelay(this);
    try {
      this.#stream = session.channel.open(this.#opening(), relay);
    } catch (error) {
      // The service's viewers read too slowly: another session of it would soon be no better.
      if (error instanceof PosternError && error.code !== "unread_limit") return false;
      throw error;
    }
    relay.attach(this.#stream);
    this.#relay = relay;
    this.#session = session;
    session.requests++;
    writer.events = relay;
    departure.listener = this;
    this.#late = context.deadlines.set(context.config.timeouts.originResponseMs, () => this.#onLate());
    this.#sending = this.#send(this.#stream, relay);
    return true;
  }

  /** Counts anew while the body comes: a slow upload is no slow origin. */
  #onLate(): void {
    const relay = this.#relay;
    if (relay === undefined || relay.status !== 0) return;
    if (this.#body.done) return relay.abort("origin_timeout");
    const { deadlines, config } = this.#in.context;
    this.#late = deadlines.set(config.timeouts.originResponseMs, () => this.#onLate());
  }

  /** A try is over. */
  #end(session: AgentSession, outcome: RelayOutcome, sent: boolean): void {
    const stream = this.#stream;
    this.#leave();
    if (outcome === NOT_OPENED || stream === undefined) return;
    if (outcome.kind === "failed" && outcome.code.startsWith("origin_")) {
      session.originAnswered(false, this.#in.context.clock.now());
    }
    if (outcome.kind === "complete" && this.#in.head.upgrade !== null) stream.end(); // declined: nothing follows
    // What the agent has not taken lies in the buffer that the next request is read into: it must not be sent any more.
    else if (!sent) stream.reset("cancelled");
    this.#count(session);
  }

  /** Nothing is waited for any more. */
  #leave(): void {
    this.#late?.lift();
    this.#in.departure.listener = undefined;
  }

  #opening(): StreamOpening {
    const { viewer, requestId } = this.#in;
    return { class: HTTP_CLASS, kind: "http", service: 0, viewer: viewer.address, requestId };
  }

  /** Head and body to the agent, whether it took all of them; a failure here ends the relay. */
  #send(stream: MuxStream, relay: ResponseRelay): Promise<boolean> | boolean {
    const { head, viewer, requestId, reader } = this.#in;
    try {
      const request = forwardedRequest(head, {
        clientIp: viewer.ip,
        scheme: viewer.scheme,
        proxied: viewer.proxied,
        host: head.host,
        requestId,
      });
      this.#rules?.changeRequest(request.headers);
      stream.offer(serializeRequestHead(request));
      if (head.upgrade !== null) return false; // what follows belongs to the new protocol, or to nobody
      if (!this.#body.done) {
        return this.#sendBody(stream, relay, reader).catch((error) => this.#notSent(relay, error));
      }
      stream.end();
      return true;
    } catch (error) {
      return this.#notSent(relay, error);
    }
  }

  #notSent(relay: ResponseRelay, error: unknown): false {
    if (!relay.settled) relay.abort(error instanceof PosternError ? error.code : "internal_error");
    return false;
  }

  async #sendBody(stream: MuxStream, relay: ResponseRelay, reader: SocketReader): Promise<boolean> {
    const body = this.#body;
    const { context } = this.#in;
    while (!relay.settled) {
      const event = body.push(reader.buffer, reader.start, reader.end);
      if (event === "done") {
        reader.take(body.nextStart - reader.start);
        this.#rules?.changeRequestTrailers(body.trailers);
        stream.end(serializeTrailers(body.trailers));
        this.#in.onBodyRead?.();
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
      // Once there is an answer the two may take turns, as long as something moves at all.
      const idle = context.deadlines.set(
        context.config.timeouts.requestBodyMs,
        () => relay.status === 0 && relay.abort("body_timeout"),
      );
      try {
        if (!await reader.fill()) body.eof();
      } finally {
        idle.lift();
      }
    }
    return false;
  }

  /** Whether nothing of the viewer lies unread: a socket that is closed over unread bytes is reset, with its answer. */
  get #isRead(): boolean {
    return this.#body.done && this.#in.head.upgrade === null && this.#in.reader.available === 0;
  }

  /** Joins viewer and stream byte for byte until both have ended. */
  async #upgrade(session: AgentSession): Promise<void> {
    this.#leave();
    const { context, reader, writer, socket } = this.#in;
    const relay = this.#relay!;
    const series = context.metrics.service(this.#service);
    const splice = new StreamSplice({
      stream: this.#stream!,
      socket: { ...reader.rest(), close: () => socket.close() },
      slabs: context.slabs,
      retain: () => session.pump.retain(),
      writer: writer.raw,
      onBytes: (fromViewer, toViewer) => {
        this.#in.onUpgradedBytes?.(fromViewer);
        series.bytesIn += fromViewer;
        series.bytesOut += toViewer;
      },
    });
    const over = splice.run();
    relay.handOver(splice);
    await over;
  }

  /** The viewer begins to see a response. */
  onHead(status: number): void {
    this.#session!.originAnswered(true, this.#in.context.clock.now());
    const { metrics, clock } = this.#in.context;
    const series = metrics.service(this.#service);
    series.answered(status);
    series.observe((clock.now() - this.#startedAt) / 1_000);
  }

  #count(session: AgentSession): void {
    const { metrics, log } = this.#in.context;
    const relay = this.#relay!;
    const series = metrics.service(this.#service);
    series.bytesIn += this.#bytesIn;
    series.bytesOut += relay.bodyBytes;
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
  #refuse(
    code: ErrorCode,
    cause?: unknown,
    headers?: readonly Header[],
    level: "info" | "debug" = "info",
  ): ExchangeResult {
    const { context, head, writer, requestId } = this.#in;
    const error = new PosternError(code);
    const { status = 502, title } = error.facts;
    context.metrics.refusals.inc({ code, layer: "http" });
    context.metrics.service(this.#service).answered(status);
    context.log(code === "internal_error" ? "error" : level, "request refused", {
      request_id: requestId,
      code,
      host: head.hostname,
      cause: cause instanceof Error && code === "internal_error" ? cause.stack : undefined,
    });
    const keep = this.#in.keepAlive && this.#body.done && head.upgrade === null;
    writer.events = NO_WRITER_EVENTS;
    writer.refuse({
      status,
      code,
      title,
      requestId,
      detail: error.facts.cause,
      accept: head.headers.get("accept"),
      head: head.method === "HEAD",
      close: !keep,
      headers: headers ?? (status === 503 ? [["Retry-After", "5"]] : []),
    });
    return keep ? "keep" : "linger";
  }
}
