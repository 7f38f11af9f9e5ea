/** One viewer's address and port at one udp service: a stream to the agent, bounded answers, an idle timeout. */
import {
  type DatagramDrop,
  DatagramFlow,
  type DatagramFlowUser,
  type DatagramRoom,
  type Deadline,
  type Deadlines,
} from "../driver/mod.ts";
import { formatHostPort, networkOf } from "../bytes/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { FlowResult, ServiceSeries } from "../telemetry/mod.ts";
import { type ResetReason, streamClass } from "../wire/mod.ts";
import type { AgentSession } from "./agent_session.ts";

const UDP_CLASS = streamClass("vpn_packet");
/** Headers of IPv4 and UDP: what an empty datagram costs as well. */
const HEADER_BYTES = 28;
/** Silence after which a flow of a session that is about to end goes: nobody tells when a datagram protocol is done. */
const LEAVING_IDLE_MS = 1_000;
/**
 * Idle times for which answers alone keep a flow. Who still listens says so now and then, if only for the NAT in front of it;
 * whose address was made up, or who has left, must not be sent to for as long as a service likes.
 */
const ANSWERS_ONLY_PERIODS = 4;

/** The port that the flow came in at. */
export interface UdpFlowHost {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly budget: DatagramRoom;
  readonly port: number;
  readonly series: ServiceSeries;
  /** Answers to a viewer that has sent once: times its bytes, headers included; 0: no bound. */
  readonly amplification: number;
  send(payload: Uint8Array, to: Deno.NetAddr): Promise<unknown>;
  onDrop(reason: DatagramDrop): void;
  /** The viewer has sent more than once. */
  onConfirmed(flow: UdpFlow): void;
  /** Told once. */
  onEnded(flow: UdpFlow, result: FlowResult): void;
}

export class UdpFlow implements DatagramFlowUser {
  readonly key: string;
  readonly viewer: Deno.NetAddr;
  readonly network: string;
  readonly port: number;
  readonly session: AgentSession;
  readonly requestId: string;
  /** Of the rules under which it was opened. */
  readonly rulesRevision: number;
  readonly #host: UdpFlowHost;
  readonly #flow: DatagramFlow;
  #idleMs: number;
  #deadline: Deadline;
  #lastAt: number;
  /** When the viewer sent last. */
  #heardAt: number;
  /** Longest time without a word of the viewer. */
  readonly #deafMs: number;
  #received = 0;
  #receivedBytes = 0;
  #answeredBytes = 0;
  #answered = false;
  #ended = false;

  /**
   * Opens the stream.
   * @param before the flow of the same viewer whose session is about to end
   * @throws PosternError as `Channel.open` does
   */
  constructor(options: {
    host: UdpFlowHost;
    key: string;
    viewer: Deno.NetAddr;
    session: AgentSession;
    requestId: string;
    idleMs: number;
    before?: UdpFlow;
  }) {
    const { host, viewer, session, requestId, before } = options;
    this.#host = host;
    this.key = options.key;
    this.viewer = viewer;
    this.network = networkOf(viewer.hostname);
    this.port = host.port;
    this.session = session;
    this.requestId = requestId;
    this.rulesRevision = session.guard?.revision ?? 0;
    this.#idleMs = options.idleMs;
    this.#deafMs = ANSWERS_ONLY_PERIODS * options.idleMs;
    if (before !== undefined) {
      this.#received = before.#received;
      this.#receivedBytes = before.#receivedBytes;
      this.#answeredBytes = before.#answeredBytes;
    }
    const { clock, budget } = host;
    const stream: MuxStream = session.channel.open({
      class: UDP_CLASS,
      kind: "udp",
      service: 0,
      viewer: formatHostPort(viewer.hostname, viewer.port),
      requestId,
    }, DETACHED);
    stream.handler = this.#flow = new DatagramFlow({ stream, user: this, budget, clock });
    this.#lastAt = this.#heardAt = clock.now();
    this.#deadline = host.deadlines.set(this.#idleMs, this.#endIfIdle);
  }

  get isConfirmed(): boolean {
    return this.#received > 1;
  }

  /** A datagram of the viewer. Refreshes the idle timeout, as do those to it. */
  receive(payload: Uint8Array): void {
    const { clock, series } = this.#host;
    this.#lastAt = this.#heardAt = clock.now();
    this.#received++;
    this.#receivedBytes += HEADER_BYTES + payload.length;
    if (this.#received === 2) this.#host.onConfirmed(this);
    series.bytesIn += payload.length;
    series.datagrams.in++;
    this.#flow.push(payload);
  }

  /** The session is about to end: from now on a short silence is the end of the flow. */
  leave(): void {
    if (this.#ended || this.#idleMs <= LEAVING_IDLE_MS) return;
    this.#idleMs = LEAVING_IDLE_MS;
    this.#deadline.lift();
    this.#deadline = this.#host.deadlines.set(LEAVING_IDLE_MS, this.#endIfIdle);
  }

  end(reason: ResetReason): void {
    this.#end(reason, this.#answered ? "answered" : "unanswered");
  }

  evict(): void {
    this.#end("stream_limit", "evicted");
  }

  admits(bytes: number): boolean {
    this.#answered = true;
    const { amplification } = this.#host;
    if (this.isConfirmed || amplification === 0) return true;
    const answered = this.#answeredBytes + HEADER_BYTES + bytes;
    if (answered > amplification * this.#receivedBytes) {
      this.#host.onDrop("amplification");
      return false;
    }
    this.#answeredBytes = answered;
    return true;
  }

  send(payload: Uint8Array): Promise<unknown> {
    return this.#host.send(payload, this.viewer);
  }

  onSent(bytes: number): void {
    const { clock, series } = this.#host;
    this.#lastAt = clock.now();
    series.bytesOut += bytes;
    series.datagrams.out++;
  }

  onSendError(): void {
    this.#host.onDrop("send_failed");
  }

  onDrop(reason: DatagramDrop): void {
    this.#host.onDrop(reason);
  }

  onOver(): void {
    this.#ended = true;
    this.#deadline.lift();
    this.#host.onEnded(this, "lost");
  }

  readonly #endIfIdle = (): void => {
    const endsAt = Math.min(this.#lastAt + this.#idleMs, this.#heardAt + this.#deafMs);
    const left = endsAt - this.#host.clock.now();
    if (left > 0) this.#deadline = this.#host.deadlines.set(left, this.#endIfIdle);
    else this.end("idle_timeout");
  };

  #end(reason: ResetReason, result: FlowResult): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline.lift();
    this.#flow.end(reason);
    this.#host.onEnded(this, result);
  }
}

/** Stands in until the flow is made, in the same turn. */
const DETACHED: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };
