/**
 * Takes one response from a stream and writes it to the viewer. The agent has removed the origin's framing: the stream is
 * response heads, then the plain body, then END. The head is parsed and written anew, so nothing an agent or an origin
 * sends can become a second response.
 */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import type { Deadline, SocketWriterEvents, WireBuffer } from "../driver/mod.ts";
import {
  type Framing,
  HEAD_LIMITS,
  HeaderList,
  type HeadLimits,
  parseResponseHead,
  parseTrailers,
  PartialHead,
  type RequestHead,
  type ResponseHead,
  responseToViewer,
  viewerFraming,
} from "../http1/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { ResetReason } from "../wire/mod.ts";
import type { HeldRules } from "./held_rules.ts";
import type { ResponseWriter } from "./response_writer.ts";

/** Interim responses (1xx) that are passed on for one request. */
const MAX_INTERIM = 32;

/** How a relay ended. */
export type RelayOutcome =
  | { readonly kind: "complete"; readonly keepAlive: boolean }
  /** 101 was written; both directions are raw from here on: call `handOver`. */
  | { readonly kind: "upgraded" }
  /** `started`: the viewer has seen a part of the response, so nothing can be repeated or explained any more. */
  | {
    readonly kind: "failed";
    readonly code: ErrorCode;
    readonly reason?: ResetReason;
    readonly started: boolean;
  };

/** What a relay needs of its exchange. Methods, not closures: a request is to leave as little behind as it can. */
export interface RelayOptions {
  readonly request: RequestHead;
  readonly writer: ResponseWriter;
  /** Whether the viewer's connection may be used again. */
  readonly keepAlive: boolean;
  /** Whether the request may be repeated: then a small response of known length is held back until it is whole. */
  readonly maySwitch: boolean;
  /** What is held for the service. */
  readonly rules?: Pick<HeldRules, "changeResponse" | "changeResponseTrailers">;
  /** Keeps what `onData` just showed; undefined when it is to be copied. */
  retain(): WireBuffer | undefined;
  /** The viewer begins to see a response of this status. */
  onHead(status: number): void;
  /** Calls back when what is held back has waited long enough. */
  holdFor(flush: () => void): Deadline;
}

/** Longest body that is held back. */
const MAX_HELD_BYTES = 16_384;

export class ResponseRelay implements StreamHandler, SocketWriterEvents {
  readonly outcome: Promise<RelayOutcome>;
  status = 0;
  bodyBytes = 0;
  readonly #options: RelayOptions;
  #stream!: MuxStream;
  #settle!: (outcome: RelayOutcome) => void;
  #settled = false;
  #partialHead: PartialHead | undefined;
  #framing: Framing | undefined;
  #keepAlive = false;
  #takenWaiter: (() => void) | undefined;
  /** After 101: bytes for the next handler, and whether the far end has ended. */
  #raw: Uint8Array[] | undefined;
  #rawEnded = false;
  #rawReset: ResetReason | undefined;
  #interims = 0;
  #started = false;
  /** What is written waits in the writer until the response is whole. */
  #isHeld = false;
  #holding: Deadline | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.outcome = new Promise((resolve) => this.#settle = resolve);
  }

  /** The stream that this handler was opened with. */
  attach(stream: MuxStream): void {
    this.#stream = stream;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Resolves when everything offered was taken, or the exchange is over. */
  taken(): Promise<void> {
    if (this.#stream.idle || this.#settled || this.#stream.gone) return Promise.resolve();
    return new Promise((resolve) => this.#takenWaiter = resolve);
  }

  /** Ends the exchange from this side. */
  abort(code: ErrorCode): void {
    this.#stream.reset("cancelled");
    this.#fail(code);
  }

  /** After an upgrade: from now on the stream is the other handler's, with what came meanwhile. */
  handOver(next: StreamHandler): void {
    this.#stream.handler = next;
    for (const bytes of this.#raw ?? []) next.onData(bytes, 0, bytes.length);
    if (this.#rawReset !== undefined) next.onReset(this.#rawReset);
    else if (this.#rawEnded) next.onEnd(undefined);
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    if (this.#raw !== undefined) return void this.#raw.push(buffer.slice(start, end));
    if (this.#settled) return this.#stream.consumed(end - start);
    try {
      if (this.#framing === undefined) this.#readHeads(buffer, start, end);
      else this.#writeBody(buffer, start, end);
    } catch (error) {
      this.#stream.reset("request_refused");
      this.#fail(error instanceof PosternError ? "origin_protocol" : "internal_error");
    }
  }

  onEnd(trailers: Uint8Array | undefined): void {
    this.#rawEnded = true;
    if (this.#settled) return;
    const framing = this.#framing;
    if (framing === undefined) return this.#fail("origin_reset");
    if (framing.kind === "length" && this.bodyBytes !== framing.length) return this.#fail("origin_reset");
    try {
      this.#options.writer.end(this.#trailers(framing, trailers));
    } catch (error) {
      this.#stream.reset("request_refused");
      return this.#fail(error instanceof PosternError ? "origin_protocol" : "internal_error");
    }
    this.#finish({ kind: "complete", keepAlive: this.#keepAlive });
  }

  onReset(reason: ResetReason): void {
    this.#rawReset = reason;
    // The viewer did not read: what waits for it is to be dropped, also when the response had come in whole.
    if (reason === "slow_consumer" && this.#started) this.#options.writer.abort();
    this.#fail(codeOfReset(reason), reason);
  }

  /** The viewer has taken so much of the response. */
  onWritten(credit: number): void {
    this.#stream.consumed(credit);
  }

  /** The viewer takes no more. */
  onError(): void {
    this.abort("channel_lost");
  }

  onTaken(): void {
    const waiter = this.#takenWaiter;
    this.#takenWaiter = undefined;
    waiter?.();
  }

  /** Heads up to and including the final one; what follows it is body. Credit for either is returned when it is written. */
  #readHeads(buffer: Uint8Array, start: number, end: number): void {
    let at = start;
    let seen = start;
    const partial = this.#partialHead;
    if (partial !== undefined) {
      partial.add(buffer, start, end);
      buffer = partial.buffer;
      at = 0;
      end = partial.length;
      seen = partial.seen;
    }
    while (this.#framing === undefined) {
      const head = parseResponseHead(buffer, at, end, RESPONSE_LIMITS, seen);
      if (head === null) { // at most a head's limit, far below half a window
        if (partial === undefined || at > 0) (this.#partialHead = new PartialHead()).add(buffer, at, end);
        return;
      }
      seen = at += head.bytes;
      this.#writeHead(head);
      if (head.status === 101) {
        this.#raw = end > at ? [buffer.slice(at, end)] : [];
        return this.#finish({ kind: "upgraded" });
      }
    }
    this.#partialHead = undefined;
    if (end > at) this.#writeBody(buffer, at, end, partial !== undefined);
    if (this.#isHeld) this.#holding = this.#options.holdFor(() => this.#flushHeld());
  }

  #writeHead(head: ResponseHead): void {
    const { request, writer } = this.#options;
    const interim = head.status < 200 && head.status !== 101;
    if (head.status === 101 && (head.upgrade === null || head.upgrade !== request.upgrade)) {
      throw new PosternError(
        "http_bad_response",
        "Cannot relay response: it switches to what was not asked for",
      );
    }
    if (interim && ++this.#interims > MAX_INTERIM) {
      throw new PosternError("http_bad_response", `Cannot relay response: over ${MAX_INTERIM} interim heads`);
    }
    if (interim && request.minor === 0) return this.#stream.consumed(head.bytes);
    const framing = viewerFraming(head, request);
    const keepAlive = this.#options.keepAlive && framing.kind !== "until_close";
    const outgoing = responseToViewer(head, { keepAlive, framing, minor: request.minor });
    if (interim) {
      this.#options.rules?.changeResponseTrailers(outgoing.headers);
      return writer.head(outgoing, framing, head.bytes);
    }
    this.#options.rules?.changeResponse(outgoing.headers);
    this.status = head.status;
    this.#framing = framing;
    this.#keepAlive = keepAlive;
    this.#isHeld = this.#options.maySwitch && framing.kind === "length" && framing.length <= MAX_HELD_BYTES;
    if (this.#isHeld) writer.hold();
    writer.head(outgoing, framing, head.bytes); // what throws here can still be explained
    if (!this.#isHeld) this.#start();
  }

  /** The viewer sees a part of the response from now on. */
  #start(): void {
    this.#started = true;
    this.#options.onHead(this.status);
  }

  #flushHeld(): void {
    if (!this.#isHeld || this.#settled) return;
    this.#holding?.lift();
    this.#isHeld = false;
    this.#start();
    this.#options.writer.letGo();
  }

  #writeBody(buffer: Uint8Array, start: number, end: number, copied = false): void {
    const bytes = end - start;
    const framing = this.#framing!;
    this.bodyBytes += bytes;
    if (framing.kind === "none" || (framing.kind === "length" && this.bodyBytes > framing.length)) {
      throw new PosternError("http_bad_response", "Cannot relay response: its body is longer than it says");
    }
    const lease = copied || this.#isHeld ? undefined : this.#options.retain();
    this.#options.writer.body(buffer.subarray(start, end), bytes, lease);
    if (framing.kind === "length" && this.bodyBytes === framing.length) this.#flushHeld();
  }

  #trailers(framing: Framing, section: Uint8Array | undefined): HeaderList {
    if (section === undefined || framing.kind !== "chunked") return NO_TRAILERS;
    const trailers = parseTrailers(section);
    this.#options.rules?.changeResponseTrailers(trailers);
    return this.#options.request.minor === 0 ? NO_TRAILERS : trailers;
  }

  #fail(code: ErrorCode, reason?: ResetReason): void {
    this.#finish({ kind: "failed", code, reason, started: this.#started });
  }

  #finish(outcome: RelayOutcome): void {
    if (this.#settled) return;
    if (outcome.kind === "complete") this.#flushHeld();
    else if (this.#isHeld) this.#options.writer.dropHeld();
    this.#settled = true;
    this.#holding?.lift();
    this.onTaken();
    this.#settle(outcome);
  }
}

const NO_TRAILERS = new HeaderList();

/** An origin may say more about its response than a viewer may about its request; a slab of the agent is the bound. */
const RESPONSE_LIMITS: HeadLimits = Object.freeze({ ...HEAD_LIMITS, maxHeadBytes: 65_472 });

/** What a viewer is told when the stream was reset before a response. */
function codeOfReset(reason: ResetReason): ErrorCode {
  switch (reason) {
    case "origin_refused":
    case "origin_timeout":
    case "origin_reset":
    case "origin_protocol":
      return reason;
    case "unknown_service":
      return "tunnel_offline";
    case "stream_limit":
      return "viewer_limit";
    case "draining":
      return "peer_draining";
    case "idle_timeout":
      return "stream_idle";
    // The agent is there and will do the same with the same request: nothing is repeated.
    case "request_refused":
      return "origin_protocol";
    case "internal":
    case "class_denied":
      return "internal_error";
    case "cancelled":
    case "slow_consumer":
    case "fenced":
    case "deadline":
    case "channel_lost":
      return "channel_lost";
    default:
      return reason satisfies never;
  }
}
