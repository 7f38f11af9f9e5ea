/** Series of relayed private channels. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** A server that waits for its grant already, to one that is woken for it. */
const pairBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export interface RelaySeries {
  /** Connections, attached or not. */
  readonly connections: Gauge;
  readonly channels: Gauge<"state">;
  /** `reason` is `none` for `result="ok"`. */
  readonly attaches: Counter<"result" | "reason">;
  /** Ends of connections. */
  readonly ends: Counter<"reason">;
  readonly pairSeconds: Histogram;
  readonly bufferedBytes: Gauge;
  /** Bytes of records that were passed on: plain numbers, since each record adds to them. */
  readonly bytes: { client: number; server: number };
}

export function registerRelaySeries(registers: Registry[]): RelaySeries {
  const bytes = { client: 0, server: 0 };
  new Counter({
    name: "postern_relay_bytes_total",
    help: "Bytes of relayed records by the half that they came from.",
    labelNames: ["from"],
    registers,
    collect() {
      this.reset();
      this.inc({ from: "client" }, bytes.client);
      this.inc({ from: "server" }, bytes.server);
    },
  });
  return {
    bytes,
    connections: new Gauge({
      name: "postern_relay_connections",
      help: "Connections of endpoints of private channels, attached or not.",
      registers,
    }),
    channels: new Gauge({
      name: "postern_relay_channels",
      help: "Relayed channels by state: waiting for a half, or paired.",
      labelNames: ["state"],
      registers,
    }),
    attaches: new Counter({
      name: "postern_relay_attaches_total",
      help: "Attaches to private channels by result and reason.",
      labelNames: ["result", "reason"],
      registers,
    }),
    ends: new Counter({
      name: "postern_relay_ends_total",
      help: "Ended connections of endpoints of private channels by reason.",
      labelNames: ["reason"],
      registers,
    }),
    pairSeconds: new Histogram({
      name: "postern_relay_pair_seconds",
      help: "Time from a client's connection to its pairing.",
      buckets: pairBuckets,
      registers,
    }),
    bufferedBytes: new Gauge({
      name: "postern_relay_buffered_bytes",
      help: "Bytes of the large buffers that relayed channels hold.",
      registers,
    }),
  };
}
