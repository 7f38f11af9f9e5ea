/** What the edge's admin listener answers: health, readiness, metrics and status. */
import { Hono } from "hono";
import type { Edge } from "./edge/mod.ts";
import type { Readiness } from "./readiness.ts";
import { type Metrics, metricsHandler } from "./telemetry/mod.ts";

export interface AdminDeps {
  readonly edge: Edge;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
}

/** The process runs and its event loop turns: nothing more is claimed. */
export function health(): Response {
  return Response.json({ status: "ok" });
}

export function adminApp(deps: AdminDeps): Hono {
  const app = new Hono();
  const metrics = metricsHandler(deps.metrics.registry);
  app.get("/healthz", () => health());
  app.get("/readyz", () => deps.readiness.answer());
  app.get("/status", () => Response.json(deps.edge.status()));
  app.all("/metrics", (context) => {
    deps.edge.observe();
    return metrics(context.req.raw);
  });
  return app;
}
