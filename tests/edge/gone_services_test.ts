import assert from "node:assert/strict";
import { FORGET_SERVICE_MS, GoneServices } from "../../src/edge/gone_services.ts";
import { createMetrics, maxServiceLabels } from "../../src/telemetry/mod.ts";

Deno.test("GoneServices frees the series of a name that had no route for the whole delay, and of no other", () => {
  const metrics = createMetrics();
  const gone = new GoneServices(metrics);
  const routes = new Set(["stays", "returns"]);
  const sweep = (now: number) => gone.sweep((name) => routes.has(name), now);
  for (const name of ["stays", "leaves", "returns", "unknown"]) metrics.service(name);
  sweep(0);
  routes.delete("returns");
  sweep(5_000);
  routes.add("returns");
  sweep(10_000);
  routes.delete("returns");
  sweep(FORGET_SERVICE_MS - 1);
  assert.deepEqual([...metrics.serviceNames()], ["stays", "leaves", "returns", "unknown"]);
  sweep(FORGET_SERVICE_MS);
  assert.deepEqual([...metrics.serviceNames()], ["stays", "returns", "unknown"]);
});

Deno.test("GoneServices makes room: services after the first 500 get series of their own", () => {
  const metrics = createMetrics();
  const gone = new GoneServices(metrics);
  for (let n = 0; n < maxServiceLabels; n++) metrics.service(`old-${n}`);
  assert.equal(metrics.service("new"), metrics.service("newer"), "both are other");
  gone.sweep(() => false, 0);
  gone.sweep(() => false, FORGET_SERVICE_MS);
  assert.notEqual(metrics.service("new"), metrics.service("newer"));
});
