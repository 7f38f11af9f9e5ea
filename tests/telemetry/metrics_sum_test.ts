import assert from "node:assert/strict";
import { createMetrics, metricObjects, summedPage } from "../../src/telemetry/mod.ts";

Deno.test("summedPage() adds up counts, gauges and histograms of several threads that were sent as plain data", async () => {
  const threads = [createMetrics(), createMetrics(), createMetrics()];
  for (const [index, metrics] of threads.entries()) {
    metrics.viewerConnections.inc(index + 1);
    metrics.refusals.inc({ code: "agent_limit", layer: "channel" });
    metrics.handshakeSeconds.observe(0.002);
    metrics.service("web.localhost").observe(0.002);
    metrics.service(`only-${index}.localhost`).answered(200);
  }
  const page = await summedPage(
    await Promise.all(threads.map(async ({ registry }) => structuredClone(await metricObjects(registry)))),
  );
  for (
    const line of [
      "postern_viewer_connections 6",
      'postern_refusals_total{code="agent_limit",layer="channel"} 3',
      'postern_handshake_seconds_bucket{le="0.005"} 3',
      'postern_request_seconds_bucket{service="web.localhost",le="0.0025"} 3',
      'postern_request_seconds_count{service="web.localhost"} 3',
      'postern_requests_total{service="only-2.localhost",status="2xx"} 1',
    ]
  ) assert.ok(page.split("\n").includes(line), `${line}\n${page}`);
});
