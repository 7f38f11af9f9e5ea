/** What is measured: the rows of the report, in its order. */

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: "Gbit/s" | "req/s" | "conn/s" | "ms" | "MiB" | "µs CPU";
  readonly better: "higher" | "lower";
}

const row = (id: string, title: string, unit: Metric["unit"]): Metric => ({
  id,
  title,
  unit,
  better: unit === "Gbit/s" || unit === "req/s" || unit === "conn/s" ? "higher" : "lower",
});

const load = (id: string, title: string): Metric[] =>
  ["c1", "c48"].flatMap((level) => [
    row(`${id}.${level}.rate`, `${title}, ${level}`, "req/s"),
    row(`${id}.${level}.p50`, `${title}, ${level}, p50`, "ms"),
    row(`${id}.${level}.p99`, `${title}, ${level}, p99`, "ms"),
  ]);

export const METRICS: readonly Metric[] = [
  row("bulk.up.1", "TCP, 1 stream up", "Gbit/s"),
  row("bulk.down.1", "TCP, 1 stream down", "Gbit/s"),
  row("bulk.up.8", "TCP, 8 streams up", "Gbit/s"),
  row("bulk.down.8", "TCP, 8 streams down", "Gbit/s"),
  ...load("tcp", "Requests over TCP mode"),
  ...load("http", "Requests by host name"),
  row("tcp.cpu", "Edge and agent, a request over TCP mode", "µs CPU"),
  row("http.cpu", "Edge and agent, a request by host name", "µs CPU"),
  row("connect.rate", "New connections", "conn/s"),
  row("echo.p50", "Round trip of 100 bytes, p50", "ms"),
  row("echo.p99", "Round trip of 100 bytes, p99", "ms"),
  row("echo.added", "Round trip of 100 bytes, p50 above direct", "ms"),
  row("two_writes.up.p50", "Two small writes up, p50", "ms"),
  row("two_writes.up.p99", "Two small writes up, p99", "ms"),
  row("two_writes.down.p50", "Two small writes down, p50", "ms"),
  row("two_writes.down.p99", "Two small writes down, p99", "ms"),
  row("rss.idle.edge", "Memory of the edge, idle", "MiB"),
  row("rss.idle.agent", "Memory of the agent, idle", "MiB"),
  row("rss.streams.edge", "Memory of the edge, 1,000 idle streams", "MiB"),
  row("rss.streams.agent", "Memory of the agent, 1,000 idle streams", "MiB"),
  row("rss.after.edge", "Memory of the edge, after all load", "MiB"),
  row("rss.after.agent", "Memory of the agent, after all load", "MiB"),
];
