/** What the edge's admin listener answers: health, readiness, metrics and status. */
import { Hono } from "hono";
import type { EdgePlane } from "./edge/mod.ts";
import type { Readiness } from "./readiness.ts";
import { metricsHandler } from "./telemetry/mod.ts";

export interface AdminDeps {
  readonly edge: EdgePlane;
  readonly readiness: Readiness;
}

/** The process runs and its event loop turns: nothing more is claimed. */
export function health(): Response {
  return Response.json({ status: "ok" });
}

export function adminApp(deps: AdminDeps): Hono {
  const app = new Hono();
  const metrics = metricsHandler({ metrics: () => deps.edge.metricsPage() });
  app.get("/healthz", () => health());
  app.get("/readyz", () => deps.readiness.answer());
  app.get("/status", async () => Response.json(await deps.edge.status()));
  app.all("/metrics", (context) => metrics(context.req.raw));
  return app;
}
