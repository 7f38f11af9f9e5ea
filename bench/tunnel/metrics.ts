/** What is measured: the rows of the report, in its order. */
import { ROUND_TRIPS_MS } from "./cells.ts";

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: "Gbit/s" | "req/s" | "conn/s" | "ms" | "MiB" | "KiB" | "µs CPU";
  readonly better: "higher" | "lower";
  /** Whether the README shows it, too. */
  readonly main: boolean;
}

/** Rows of the README: one of each kind. */
const MAIN = new Set([
  ...["bulk.up.1", "bulk.down.1", "bulk.up.8", "bulk.down.8"],
  ...["tcp.c1.p50", "tcp.c1.p99", "tcp.c48.rate", "tcp.c48.p50", "tcp.c48.p99", "tcp.c256.rate", "tcp.cpu"],
  ...["http.c48.rate", "http.c48.p99", "http.cpu", "https.c48.rate", "https.c48.p99", "h2.c48.rate"],
  ...["connect.rate", "echo.added"],
  ...["rss.idle.edge", "rss.streams.edge", "rss.stream.edge", "rss.after.edge"],
  ...["rtt.50.up", "rtt.50.down"],
]);

const row = (id: string, title: string, unit: Metric["unit"]): Metric => ({
  id,
  title,
  unit,
  better: unit === "Gbit/s" || unit === "req/s" || unit === "conn/s" ? "higher" : "lower",
  main: MAIN.has(id),
});

const load = (id: string, title: string, levels: readonly string[] = ["c1", "c48", "c256"]): Metric[] =>
  levels.flatMap((level) => [
    row(`${id}.${level}.rate`, `${title}, ${level}`, "req/s"),
    row(`${id}.${level}.p50`, `${title}, ${level}, p50`, "ms"),
    row(`${id}.${level}.p99`, `${title}, ${level}, p99`, "ms"),
  ]);

/** Edge and agent apart: users run them on different machines. */
const memory = (id: string, what: string, unit: Metric["unit"] = "MiB"): Metric[] =>
  (["edge", "agent"] as const).map((role) => row(`${id}.${role}`, `Memory of the ${role}, ${what}`, unit));

export const METRICS: readonly Metric[] = [
  row("bulk.up.1", "TCP, 1 stream up", "Gbit/s"),
  row("bulk.down.1", "TCP, 1 stream down", "Gbit/s"),
  row("bulk.up.8", "TCP, 8 streams up", "Gbit/s"),
  row("bulk.down.8", "TCP, 8 streams down", "Gbit/s"),
  ...load("tcp", "Requests over TCP mode"),
  ...load("http", "Requests by host name"),
  ...load("https", "Requests by host name over TLS"),
  ...load("h2", "Requests over HTTP/2", ["c1", "c48", "m48"]),
  row("tcp.cpu", "Edge and agent, a request over TCP mode", "µs CPU"),
  row("http.cpu", "Edge and agent, a request by host name", "µs CPU"),
  row("https.cpu", "Edge and agent, a request over TLS", "µs CPU"),
  row("connect.rate", "New connections", "conn/s"),
  row("echo.p50", "Round trip of 100 bytes, p50", "ms"),
  row("echo.p99", "Round trip of 100 bytes, p99", "ms"),
  row("echo.added", "Round trip of 100 bytes, p50 above direct", "ms"),
  row("two_writes.up.p50", "Two small writes up, p50", "ms"),
  row("two_writes.up.p99", "Two small writes up, p99", "ms"),
  row("two_writes.down.p50", "Two small writes down, p50", "ms"),
  row("two_writes.down.p99", "Two small writes down, p99", "ms"),
  ...memory("rss.idle", "idle"),
  ...memory("rss.streams", "1,000 idle streams"),
  ...memory("rss.streams10k", "10,000 idle streams"),
  ...memory("rss.stream", "a further idle stream", "KiB"),
  ...memory("rss.after", "after all load"),
  ...ROUND_TRIPS_MS.flatMap((rttMs) => [
    row(`rtt.${rttMs}.up`, `1 Gbit/s link of ${rttMs} ms, 1 stream up`, "Gbit/s"),
    row(`rtt.${rttMs}.down`, `1 Gbit/s link of ${rttMs} ms, 1 stream down`, "Gbit/s"),
    row(`rtt.${rttMs}.p50`, `1 Gbit/s link of ${rttMs} ms, request p50`, "ms"),
  ]),
];
