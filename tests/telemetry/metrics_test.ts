import assert from "node:assert/strict";
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
  metrics.channels.set({ role: "edge" }, 3);
  const handle = metricsHandler(metrics.registry);
  const response = await handle(new Request("http://a/metrics"));
  assert.match(response.headers.get("content-type") ?? "", /text\/plain/);
  const page = await response.text();
  assert.match(page, /^postern_handshakes_total\{result="ok",code="none"\} 1$/m);
  assert.match(page, /^postern_channels\{role="edge"\} 3$/m);
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

Deno.test("serviceLabel() bounds the number of services, and forgetService() frees series and room", async () => {
  const metrics = createMetrics();
  for (let i = 0; i < maxServiceLabels; i++) assert.equal(metrics.serviceLabel(`s${i}`), `s${i}`);
  assert.equal(metrics.serviceLabel("one-more"), "other");
  assert.equal(metrics.serviceLabel("s0"), "s0");
  metrics.requests.inc({ service: "s0", status: statusClass(200) });
  metrics.bytes.inc({ direction: "in", service: "s0" }, 5);
  metrics.requestSeconds.observe({ service: "s0" }, 0.1);
  metrics.forgetService("s0");
  assert.doesNotMatch(await metrics.registry.metrics(), /service="s0"/);
  assert.equal(metrics.serviceLabel("one-more"), "one-more");
  metrics.forgetService("never-seen");
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

function createdMetric(name: string): { labelNames: string[] } {
  return createMetrics().registry.getSingleMetric(name) as unknown as { labelNames: string[] };
}
