/** The metrics of an edge, a control plane or an agent, and the page that Prometheus reads. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { registerDatagramSeries } from "./datagram_series.ts";
import { BoundedLabel } from "./label.ts";
import { SeriesHistogram, ServiceSeries } from "./service_series.ts";
import { totalsOf, type TrafficTotals } from "./traffic.ts";
import { registerRelaySeries, type RelaySeries } from "./relay_series.ts";
import { registerTokenSeries, type TokenSeries } from "./token_series.ts";

/** Distinct services that get series of their own; each costs about twenty series. */
export const maxServiceLabels = 500;

/** A Noise handshake alone takes a millisecond, with a TPM quote up to a second or two. */
const handshakeBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Loopback to satellite. */
const rttBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * All metrics with their labels. Seconds and bytes, as Prometheus wants them.
 * Values of `service` go through {@link Metrics.serviceLabel}; codes and states are closed unions.
 */
export interface Metrics {
  readonly registry: Registry;
  /** Established channels. */
  readonly channels: Gauge<"role" | "tier">;
  /** Channels by lifecycle state. */
  readonly channelState: Gauge<"state">;
  /** Ended handshakes; `code` is `none` for `result="ok"`. */
  readonly handshakes: Counter<"result" | "code">;
  readonly handshakeSeconds: Histogram;
  readonly streamsOpen: Gauge;
  /** What was refused on purpose; `layer` is listener, http, channel, control or agent. */
  readonly refusals: Counter<"code" | "layer">;
  readonly heartbeatRttSeconds: Histogram;
  readonly reconnects: Counter;
  readonly drains: Counter<"reason">;
  readonly viewerConnections: Gauge;
  readonly viewerConnectionsTotal: Counter<"protocol">;
  readonly udpFlows: Gauge;
  readonly services: Gauge<"state">;
  /** Issued tokens by kind: stage0, stage1, management, recreate. */
  readonly tokensIssued: Counter<"kind">;
  /** Each transaction that changed something, waiting for others included. */
  readonly storeWriteSeconds: Histogram;
  /** Tokens that control judged for edges elsewhere. */
  readonly tokensJudged: Counter<"result">;
  readonly tokensRefused: Counter<"kind" | "code">;
  readonly tokens: TokenSeries;
  readonly relay: RelaySeries;
  readonly rekeys: Counter;
  /** Stages of the attested handshake at an edge: `stage` is 0 or 1, `code` is `none` for `result="ok"`. */
  readonly handshakeStages: Counter<"stage" | "result" | "code">;
  /** Re-authentications: `result` is scheduled, deferred, succeeded or failed; `code` is `none` but for failed. */
  readonly reauths: Counter<"result" | "code">;
  /** Agents that are being asked now. */
  readonly reauthInProgress: Gauge;
  /** Re-authentications that were put off because whoever judges them was not well. */
  readonly maintenanceDefers: Counter;
  /** Evidence judged by control. */
  readonly attestations: Counter<"result" | "tier">;
  readonly enrollments: Counter<"result">;
  /** Proofs that an agent's key made: `code` is `none` for `result="ok"`. */
  readonly proofs: Counter<"kind" | "result" | "code">;
  readonly proofSeconds: Histogram;
  /** Node identities: first certificates and renewals. */
  readonly identities: Counter<"step" | "result">;
  /** Grants of private channels: asked for, or issued again. */
  readonly grants: Counter<"step" | "result">;
  /** Mutual-TLS handshakes between nodes: `ok`, or the code of the refusal. */
  readonly nodeHandshakes: Counter<"result">;
  /** Heartbeats between nodes; at control those whose echo came back. */
  readonly nodeHeartbeats: Counter<"role" | "result">;
  /** Certificates of nodes that were renewed on a channel that stands. */
  readonly nodeRenewals: Counter<"result">;
  /** When what counts as an authority of nodes ends, the earliest of each kind; Unix seconds. */
  readonly authorityEnds: Gauge<"kind">;
  readonly queuedBytes: Gauge;
  readonly unreadBytes: Gauge;
  /** Value 1, with what runs as labels. */
  readonly buildInfo: Gauge<"version" | "role">;
  readonly startTimeSeconds: Gauge;
  /** Bytes, requests and times of one service; past {@link maxServiceLabels} services all others share one. */
  service(name: string): ServiceSeries;
  /** Drops the series of a service that has gone. */
  forgetService(name: string): void;
  /** Of all services together; less than before when one has gone. */
  totals(): TrafficTotals;
  /** Services that have series now. */
  serviceNames(): Iterable<string>;
}

/** Fresh metrics in a registry of their own: two nodes in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: `postern_${name}`, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: `postern_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
    new Histogram<L>({ name: `postern_${name}`, help, labelNames, buckets, registers });

  const labels = new BoundedLabel(maxServiceLabels);
  const series = new Map<string, ServiceSeries>();
  new Counter({
    name: "postern_bytes_total",
    help: "Payload bytes by direction (in: from viewers) and service.",
    labelNames: ["direction", "service"],
    registers,
    collect() {
      this.reset();
      for (const [service, { bytesIn, bytesOut }] of series) {
        this.inc({ direction: "in", service }, bytesIn);
        this.inc({ direction: "out", service }, bytesOut);
      }
    },
  });
  new Counter({
    name: "postern_requests_total",
    help: "Answered requests by service and status class.",
    labelNames: ["service", "status"],
    registers,
    collect() {
      this.reset();
      for (const [service, counts] of series) {
        for (const [status, count] of counts.requests()) this.inc({ service, status }, count);
      }
    },
  });
  new SeriesHistogram(
    { name: "postern_request_seconds", help: "Time from a request to its response head.", registers },
    series,
  );

  registerDatagramSeries(registers, function* () {
    for (const [service, counts] of series) if (counts.hasDatagrams) yield [service, counts.datagrams];
  });

  return {
    registry,
    channels: gauge("channels", "Established channels by role, and by how the agent proves itself.", [
      "role",
      "tier",
    ]),
    channelState: gauge("channel_state", "Channels by lifecycle state.", ["state"]),
    handshakes: counter("handshakes_total", "Ended handshakes by result and code.", ["result", "code"]),
    handshakeSeconds: histogram(
      "handshake_seconds",
      "Time from first byte to established.",
      handshakeBuckets,
    ),
    streamsOpen: gauge("streams_open", "Open streams in all channels."),
    refusals: counter("refusals_total", "Deliberate refusals by code and layer.", ["code", "layer"]),
    heartbeatRttSeconds: histogram("heartbeat_rtt_seconds", "Round trip of channel heartbeats.", rttBuckets),
    reconnects: counter("reconnects_total", "New channels in place of lost ones."),
    drains: counter("drains_total", "Started drains by reason.", ["reason"]),
    viewerConnections: gauge("viewer_connections", "Open viewer connections."),
    viewerConnectionsTotal: counter("viewer_connections_total", "Accepted viewer connections by protocol.", [
      "protocol",
    ]),
    udpFlows: gauge("udp_flows", "Open flows of udp services."),
    services: gauge("services", "Published services by state.", ["state"]),
    tokensIssued: counter("tokens_issued_total", "Issued tokens by kind.", ["kind"]),
    storeWriteSeconds: histogram("store_write_seconds", "Time of writes to the database.", rttBuckets),
    tokensJudged: counter("tokens_judged_total", "Tokens judged for edges elsewhere, by verdict.", [
      "result",
    ]),
    tokensRefused: counter("tokens_refused_total", "Refused tokens by kind and code.", ["kind", "code"]),
    tokens: registerTokenSeries(registers),
    relay: registerRelaySeries(registers),
    rekeys: counter("rekeys_total", "Changes of channel keys."),
    enrollments: counter(
      "machine_enrollments_total",
      "Enrollments of machines, begun or finished, by result.",
      [
        "result",
      ],
    ),
    nodeHandshakes: counter("node_handshakes_total", "Mutual-TLS handshakes between nodes, by result.", [
      "result",
    ]),
    nodeHeartbeats: counter("node_heartbeats_total", "Heartbeats of nodes by role and result.", [
      "role",
      "result",
    ]),
    nodeRenewals: counter("node_renewals_total", "Node certificates renewed on channels, by result.", [
      "result",
    ]),
    authorityEnds: gauge(
      "node_authority_not_after_timestamp_seconds",
      "When the first root, issuing CA or trust bundle of nodes ends, by kind.",
      ["kind"],
    ),
    identities: counter("node_identities_total", "Identities of nodes by step and result.", [
      "step",
      "result",
    ]),
    grants: counter("grants_total", "Private channels asked for by step and result.", ["step", "result"]),
    handshakeStages: counter(
      "handshake_stage_total",
      "Stages of attested handshakes by stage, result and code.",
      ["stage", "result", "code"],
    ),
    reauths: counter("reauth_total", "Re-authentications of agents by result and code.", ["result", "code"]),
    reauthInProgress: gauge("reauth_in_progress", "Agents that are asked to prove themselves again now."),
    maintenanceDefers: counter(
      "maintenance_defer_total",
      "Re-authentications that were put off because the authorizer was not well.",
    ),
    attestations: counter("attestations_total", "Judged attestation evidence by result and kind.", [
      "result",
      "tier",
    ]),
    proofs: counter("proofs_total", "Proofs that this agent's key was asked for, by kind, result and code.", [
      "kind",
      "result",
      "code",
    ]),
    proofSeconds: histogram(
      "proof_seconds",
      "Time of the agent's key or TPM for a proof, waiting for others included.",
      handshakeBuckets,
    ),
    queuedBytes: gauge("queued_bytes", "Carrier buffers in use: bytes on their way in or out."),
    unreadBytes: gauge("unread_bytes", "Bytes that arrived on channels and that viewers have not taken yet."),
    buildInfo: gauge("build_info", "What runs here, always 1.", ["version", "role"]),
    startTimeSeconds: gauge("start_time_seconds", "Start of the process, seconds since the Unix epoch."),
    service(name) {
      let found = series.get(name);
      if (found !== undefined) return found;
      const label = labels.value(name);
      found = series.get(label);
      if (found === undefined) series.set(label, found = new ServiceSeries());
      return found;
    },
    totals: () => totalsOf(series.values()),
    serviceNames: () => series.keys(),
    forgetService(name) {
      if (labels.release(name)) series.delete(name);
    },
  };
}

/** Serves the registry's page to GET and HEAD, whatever the path. */
export function metricsHandler(
  registry: { metrics(): Promise<string> },
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const page = await registry.metrics();
    return new Response(request.method === "HEAD" ? null : page, {
      headers: { "content-type": Registry.PROMETHEUS_CONTENT_TYPE, "cache-control": "no-store" },
    });
  };
}
