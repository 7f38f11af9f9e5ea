/** One public udp port: its socket, and a flow for each viewer address and port. Datagrams that have no flow may open one. */
import {
  type DatagramBudget,
  type DatagramDrop,
  type DatagramRoom,
  DatagramShare,
  type DatagramSocket,
  type Deadlines,
  RECEIVE_BUFFER_BYTES,
} from "../driver/mod.ts";
import { networkOf } from "../bytes/mod.ts";
import { codeOf } from "../errors/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { FlowResult, ServiceSeries } from "../telemetry/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import type { EdgeContext } from "./context.ts";
import { TokenBucket } from "./token_bucket.ts";
import { UdpFlow, type UdpFlowHost } from "./udp_flow.ts";
import type { UdpFlowTable } from "./udp_flow_table.ts";

/** Silence after which a flow ends, unless its service says otherwise. */
const DEFAULT_IDLE_MS = 30_000;
/** After so many failures to receive in a row the port takes a rest of so long. */
const MAX_FAILURES = 64;
const REST_MS = 100;
/** How often the log tells that datagrams are dropped for one reason. */
const TELL_EVERY_MS = 60_000;

export class UdpPort implements UdpFlowHost {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly budget: DatagramRoom;
  readonly series: ServiceSeries;
  readonly amplification: number;
  readonly #context: EdgeContext;
  readonly #table: UdpFlowTable;
  readonly #socket: DatagramSocket;
  readonly port: number;
  readonly #route: string;
  readonly #flows = new Map<string, UdpFlow>();
  readonly #newFlows: TokenBucket;
  readonly #toldAt = new Map<DatagramDrop, number>();
  #closed = false;

  constructor(options: {
    context: EdgeContext;
    table: UdpFlowTable;
    budget: DatagramBudget;
    socket: DatagramSocket;
    port: number;
  }) {
    const { context, port } = options;
    this.#context = context;
    this.clock = context.clock;
    this.deadlines = context.deadlines;
    this.budget = new DatagramShare(options.budget);
    this.amplification = context.config.udpAmplification;
    this.#table = options.table;
    this.#socket = options.socket;
    this.port = port;
    this.#route = `udp:${port}`;
    this.series = context.metrics.service(this.#route);
    const perSecond = context.config.limits.udpFlowsPerSecond;
    this.#newFlows = new TokenBucket({ intervalMs: 1_000 / perSecond, burst: perSecond });
  }

  get flows(): number {
    return this.#flows.size;
  }

  /** Takes datagrams until the port is closed. Never throws. */
  async run(): Promise<void> {
    const buffer = new Uint8Array(RECEIVE_BUFFER_BYTES);
    for (let failures = 0; !this.#closed;) {
      try {
        const [payload, from] = await this.#socket.receive(buffer);
        if (this.#closed) return;
        failures = 0;
        this.receive(payload, from as Deno.NetAddr);
      } catch {
        // Some systems report here that an answer could not be delivered.
        if (!this.#closed && ++failures >= MAX_FAILURES) await this.#rest();
      }
    }
  }

  /** One datagram of a viewer; the bytes are copied. */
  receive(payload: Uint8Array, from: Deno.NetAddr): void {
    const key = `${from.hostname} ${from.port}`;
    const flow = this.#flows.get(key);
    if (flow === undefined) return this.#open(key, payload, from);
    if (flow.rulesRevision !== (flow.session.guard?.revision ?? 0)) {
      flow.end("class_denied"); // perhaps: by the new rules it may open another
      return this.#open(key, payload, from);
    }
    if (!flow.session.isOnline) {
      const session = this.#session();
      if (session !== undefined && session !== flow.session) {
        flow.end("draining");
        return this.#start(key, payload, from, session, flow);
      }
    }
    flow.receive(payload);
  }

  /** The session takes no new streams: its flows end as soon as they are quiet, or go elsewhere with their next datagram. */
  retire(session: AgentSession): void {
    for (const flow of this.#flows.values()) if (flow.session === session) flow.leave();
  }

  /** Ends all flows and takes no further datagram. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const flow of [...this.#flows.values()]) flow.end("draining");
    this.#socket.close();
  }

  send(payload: Uint8Array, to: Deno.NetAddr): Promise<unknown> {
    return this.#socket.send(payload, to);
  }

  onDrop(reason: DatagramDrop): void {
    this.series.datagrams.dropped(reason);
    const now = this.clock.now();
    if (now - (this.#toldAt.get(reason) ?? -Infinity) < TELL_EVERY_MS) return;
    this.#toldAt.set(reason, now);
    this.#context.log("warn", "udp datagrams dropped", { port: this.port, reason });
  }

  onConfirmed(flow: UdpFlow): void {
    this.#table.confirm(flow);
  }

  onEnded(flow: UdpFlow, result: FlowResult): void {
    this.#flows.delete(flow.key);
    this.#table.remove(flow);
    this.series.datagrams.flowEnded(result);
    this.#context.log("debug", "udp flow ended", { request_id: flow.requestId, port: this.port, result });
  }

  #open(key: string, payload: Uint8Array, from: Deno.NetAddr): void {
    const session = this.#session();
    if (session === undefined) return this.onDrop("offline");
    if (!this.#context.viewers.admits(from.hostname)) return this.onDrop("address_denied");
    const refusal = session.guard?.rules?.admitConnection(from.hostname);
    if (refusal !== undefined) {
      return this.onDrop(refusal.code === "address_denied" ? "address_denied" : "service_rate");
    }
    if (this.#newFlows.take(this.clock.now()) > 0) return this.onDrop("flow_rate");
    this.#start(key, payload, from, session);
  }

  #start(
    key: string,
    payload: Uint8Array,
    from: Deno.NetAddr,
    session: AgentSession,
    before?: UdpFlow,
  ): void {
    const refused = this.#table.refuses(networkOf(from.hostname), this.port);
    if (refused !== undefined) return this.onDrop(refused);
    const { log, newRequestId } = this.#context;
    const requestId = newRequestId();
    let flow: UdpFlow;
    try {
      const idleMs = session.guard?.rules?.udpIdleMs ?? DEFAULT_IDLE_MS;
      flow = new UdpFlow({ host: this, key, viewer: from, session, requestId, idleMs, before });
    } catch (error) {
      log("debug", "udp flow refused", { port: this.port, code: codeOf(error) });
      return this.onDrop("channel");
    }
    this.#flows.set(key, flow);
    this.#table.add(flow);
    if (flow.isConfirmed) this.#table.confirm(flow);
    session.requests++;
    log("debug", "udp flow opened", { request_id: requestId, port: this.port, viewer: from.hostname });
    flow.receive(payload);
  }

  #session(): AgentSession | undefined {
    const { routes } = this.#context.sessions;
    const group = routes.group(this.#route);
    return group === undefined ? undefined : routes.pick(group);
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => this.clock.schedule(this.clock.now() + REST_MS, resolve));
  }
}
