import assert from "node:assert/strict";
import { Histogram, Registry } from "prom-client";
import { requestBuckets } from "../../src/telemetry/service_series.ts";
import {
  BoundedLabel,
  createMetrics,
  maxServiceLabels,
  metricsHandler,
  statusClass,
} from "../../src/telemetry/mod.ts";

Deno.test("metricsHandler() serves the Prometheus page to GET and HEAD only", async () => {
  const metrics = createMetrics();
  metrics.handshakes.inc({ result: "ok", code: "none" });
  metrics.channels.set({ role: "edge", tier: "tpm" }, 3);
  const handle = metricsHandler(metrics.registry);
  const response = await handle(new Request("http://a/metrics"));
  assert.match(response.headers.get("content-type") ?? "", /text\/plain/);
  const page = await response.text();
  assert.match(page, /^postern_handshakes_total\{result="ok",code="none"\} 1$/m);
  assert.match(page, /^postern_channels\{role="edge",tier="tpm"\} 3$/m);
  assert.equal(await (await handle(new Request("http://a/metrics", { method: "HEAD" }))).text(), "");
  const refused = await handle(new Request("http://a/metrics", { method: "POST" }));
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "GET, HEAD");
});

Deno.test("createMetrics() keeps two nodes in one process apart", async () => {
  const [a, b] = [createMetrics(), createMetrics()];
  a.reconnects.inc();
  assert.match(await a.registry.metrics(), /postern_reconnects_total 1/);
  assert.match(await b.registry.metrics(), /postern_reconnects_total 0/);
});

Deno.test("service() bounds the number of services, and forgetService() frees series and room", async () => {
  const metrics = createMetrics();
  for (let i = 0; i < maxServiceLabels; i++) metrics.service(`s${i}`);
  metrics.service("one-more").answered(200);
  metrics.service("another").answered(200);
  assert.match(
    await metrics.registry.metrics(),
    /^postern_requests_total\{service="other",status="2xx"\} 2$/m,
  );
  const s0 = metrics.service("s0");
  s0.answered(200);
  s0.bytesIn += 5;
  s0.observe(0.1);
  assert.match(await metrics.registry.metrics(), /service="s0"/);
  metrics.forgetService("s0");
  assert.doesNotMatch(await metrics.registry.metrics(), /service="s0"/);
  assert.notEqual(metrics.service("one-more"), metrics.service("another"));
  metrics.forgetService("never-seen");
});

Deno.test("ServiceSeries are read as prom-client would have counted them", async () => {
  const metrics = createMetrics();
  const registry = new Registry();
  const oracle = new Histogram({
    name: "postern_request_seconds",
    help: "Time from a request to its response head.",
    labelNames: ["service"],
    buckets: [...requestBuckets],
    registers: [registry],
  });
  for (const seconds of [0, 0.001, 0.0011, 0.5, 59.9, 60, 61, 1e9]) {
    metrics.service("web").observe(seconds);
    oracle.observe({ service: "web" }, seconds);
  }
  metrics.service("web").answered(200);
  metrics.service("web").answered(999);
  metrics.service("web").bytesOut += 7;
  const page = await metrics.registry.metrics();
  const lines = (text: string) => text.split("\n").filter((line) => line.includes("postern_request_seconds"));
  const sorted = (line: string) => line.replace(/\{(.*)\}/, (_, all) => `{${all.split(",").sort()}}`);
  assert.deepEqual(lines(page).map(sorted), lines(await registry.metrics()).map(sorted));
  assert.match(page, /^postern_requests_total\{service="web",status="other"\} 1$/m);
  assert.match(page, /^postern_bytes_total\{direction="out",service="web"\} 7$/m);
  assert.equal(await metrics.registry.metrics(), page, "reading it counts nothing twice");
});

Deno.test("BoundedLabel.value() refuses overlong values", () => {
  assert.equal(new BoundedLabel(10).value("x".repeat(65)), "other");
});

Deno.test("statusClass() has six values", () => {
  assert.deepEqual([100, 204, 301, 404, 599, 0, 600, NaN].map(statusClass), [
    "1xx",
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "other",
    "other",
    "other",
  ]);
});

Deno.test("the Grafana dashboard uses only metrics and labels that exist", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/grafana/postern.json", import.meta.url));
  const dashboard = JSON.parse(text) as { panels: { targets?: { expr: string }[] }[] };
  const known = new Map<string, Set<string>>();
  for (const metric of await createMetrics().registry.getMetricsAsJSON()) {
    const { labelNames } = createdMetric(metric.name);
    known.set(metric.name, new Set(labelNames));
    if (String(metric.type) !== "histogram") continue;
    for (const suffix of ["_bucket", "_sum", "_count"]) {
      known.set(metric.name + suffix, new Set([...labelNames, "le"]));
    }
  }
  const expressions = dashboard.panels.flatMap((panel) => panel.targets ?? []).map((target) => target.expr);
  assert.ok(expressions.length >= 12);
  for (const expression of expressions) {
    const names = expression.match(/postern_[a-z_]+/g) ?? [];
    assert.ok(names.length > 0, expression);
    const labels = new Set(["instance", "job"]);
    for (const name of names) {
      assert.ok(known.has(name), `${name} in ${expression}`);
      for (const label of known.get(name)!) labels.add(label);
    }
    for (const [, list] of expression.matchAll(/by \(([^)]*)\)/g)) {
      for (const label of list.split(",")) assert.ok(labels.has(label.trim()), `${label} in ${expression}`);
    }
  }
});

Deno.test("the Grafana dashboard shows every metric", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/grafana/postern.json", import.meta.url));
  const shown = new Set((text.match(/postern_[a-z_]+/g) ?? []).map((name) => name.replace(/_bucket$/, "")));
  for (const { name } of await createMetrics().registry.getMetricsAsJSON()) {
    if (name.startsWith("postern_")) assert.ok(shown.has(name), name);
  }
});

function createdMetric(name: string): { labelNames: string[] } {
  return createMetrics().registry.getSingleMetric(name) as unknown as { labelNames: string[] };
}
