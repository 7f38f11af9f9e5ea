/** One published service: its target, its pool, its counts, and who handles a stream that the edge opens for it. */
import { type Address, type AgentConfig, formatAddress, type ServiceConfig } from "../src/config/mod.ts";
import {
  type ChannelPump,
  DatagramBudget,
  type DatagramNetwork,
  type Deadlines,
  type Network,
  type Slabs,
} from "../src/driver/mod.ts";
import { HEAD_LIMITS, type HeadLimits } from "../src/http1/mod.ts";
import type { MuxStream, StreamHandler } from "../src/mux/mod.ts";
import type { Clock, Log } from "../src/ports/mod.ts";
import type { DatagramSeries, Metrics, ServiceSeries } from "../src/telemetry/mod.ts";
import type { ResetReason, StreamKind } from "../src/wire/mod.ts";
import { HttpExchange } from "./http_exchange.ts";
import { OriginPool } from "./origin_pool.ts";
import { RecentRequests } from "./recent_requests.ts";
import { TcpConnection } from "./tcp_connection.ts";
import { acceptUdpFlow } from "./udp_flow.ts";
import { UdpTarget } from "./udp_target.ts";

export interface ServiceOptions {
  readonly config: ServiceConfig;
  readonly origin: AgentConfig["origin"];
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly slabs: Slabs;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly network?: Network;
  readonly datagramNetwork?: DatagramNetwork;
  /** Of all services of this process together; one of its own when absent. */
  readonly datagramBudget?: DatagramBudget;
}

export class Service {
  readonly config: ServiceConfig;
  readonly origin: AgentConfig["origin"];
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly slabs: Slabs;
  readonly log: Log;
  readonly pool: OriginPool;
  /** Host header for the origin; null: as the viewer sent it. */
  readonly host: string | null;
  /** `host:port` of the origin. */
  readonly target: string;
  /** Of response heads. */
  readonly headLimits: HeadLimits;
  /** What the edge opens for it: TLS that passes through is bytes like any other. */
  readonly #kind: StreamKind;
  /** Answers of http. */
  readonly recent = new RecentRequests();
  /** As control has named it; empty before. */
  publicName = "";
  requests = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #udp: UdpTarget | undefined;
  readonly #metrics: Metrics;
  #series: ServiceSeries;

  constructor(options: ServiceOptions) {
    const { config, origin, clock, deadlines, slabs, log, network } = options;
    this.config = config;
    this.origin = origin;
    this.clock = clock;
    this.deadlines = deadlines;
    this.slabs = slabs;
    this.log = log;
    this.#metrics = options.metrics;
    this.#series = options.metrics.service("unnamed");
    // What is private passes as it is: the edge that would read HTTP has no part in it.
    this.#kind = config.protocol === "tls" || (config.private && config.protocol === "http")
      ? "tcp"
      : config.protocol;
    this.target = formatAddress(config.target);
    this.#udp = config.protocol !== "udp" ? undefined : new UdpTarget({
      target: config.target,
      budget: options.datagramBudget ?? new DatagramBudget(),
      clock,
      network: options.datagramNetwork,
    });
    this.headLimits = { ...HEAD_LIMITS, maxHeadBytes: origin.maxHeadBytes };
    this.host = config.hostHeader === null || config.hostHeader === "rewrite"
      ? hostOf(config.target)
      : config.hostHeader === "original"
      ? null
      : config.hostHeader;
    this.pool = new OriginPool({
      target: config.target,
      limits: origin,
      clock,
      deadlines,
      slabs,
      log,
      service: () => this.publicName,
      network,
    });
  }

  /** The name by which metrics know the service, once control has given it one. */
  name(name: string): void {
    this.publicName = name;
    this.#series = this.#metrics.service(name);
  }

  /** Who handles the stream, or why nobody does. */
  accept(stream: MuxStream, pump: Pick<ChannelPump, "retain">): StreamHandler | ResetReason {
    if (stream.opening.service !== 0 || stream.opening.kind !== this.#kind) {
      return "unknown_service";
    }
    this.requests++;
    if (this.#udp !== undefined) return acceptUdpFlow(this, this.#udp, stream);
    return stream.opening.kind === "http"
      ? new HttpExchange(this, stream, pump)
      : new TcpConnection(this, stream, pump);
  }

  /** What streams of it have to be. */
  get kind(): StreamKind {
    return this.#kind;
  }
  /** Open flows of a udp service. */
  get udpFlows(): number {
    return this.#udp?.flows ?? 0;
  }
  /** What is counted for datagrams. */
  get datagrams(): DatagramSeries {
    return this.#series.datagrams;
  }

  /** Books bytes: `fromViewer` went to the origin, `toViewer` came from it. */
  countBytes(fromViewer: number, toViewer: number): void {
    this.bytesIn += fromViewer;
    this.bytesOut += toViewer;
    this.#series.bytesIn += fromViewer;
    this.#series.bytesOut += toViewer;
  }

  /** Books the head of a response to a request that came at `sinceMs`. */
  countResponse(
    request: { readonly method: string; readonly target: string },
    status: number,
    sinceMs: number,
  ): void {
    const now = this.clock.now();
    this.#series.answered(status);
    this.#series.observe((now - sinceMs) / 1_000);
    this.recent.add(request.method, request.target, status, now - sinceMs, now);
  }

  countRefusal(reason: ResetReason): void {
    this.#metrics.refusals.inc({ code: reason, layer: "agent" });
  }

  /** Shows a request that came at `sinceMs` and gets no answer of the origin. */
  showFailure(
    request: { readonly method: string; readonly target: string },
    reason: ResetReason,
    sinceMs: number,
  ): void {
    const now = this.clock.now();
    this.recent.add(request.method, request.target, statusOf(reason), now - sinceMs, now);
  }

  close(): void {
    this.pool.close();
  }
}

/** What the edge tells the viewer for it, when no other agent answers. */
function statusOf(reason: ResetReason): number {
  switch (reason) {
    case "origin_timeout":
      return 504;
    case "stream_limit":
    case "draining":
      return 503;
    case "internal":
      return 500;
    default:
      return 502;
  }
}

/** A Host value (RFC 9110 7.2): the port is left out where it is the scheme's own. */
function hostOf(target: Address): string {
  const text = formatAddress(target);
  return target.port === 80 ? text.slice(0, -":80".length) : text;
}
