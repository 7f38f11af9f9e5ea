/** The admin listener: health, readiness, metrics and status. It has no authentication: it listens where only operators reach. */
import { Hono } from "hono";
import type { Edge } from "./edge/mod.ts";
import type { Store } from "./ports/mod.ts";
import { type Metrics, metricsHandler } from "./telemetry/mod.ts";

/** Time for the store to answer a readiness probe. */
const STORE_PROBE_MS = 2_000;

export interface AdminDeps {
  readonly edge: Edge;
  readonly store: Store;
  readonly metrics: Metrics;
}

/** Whether everything that a viewer or an agent needs works now, and what does not. */
export async function readiness({ edge, store }: Omit<AdminDeps, "metrics">): Promise<Response> {
  const checks = { edge: edge.isReady, store: await storeAnswers(store) };
  const ready = checks.edge && checks.store;
  return Response.json({ status: ready ? "ready" : "not ready", checks }, { status: ready ? 200 : 503 });
}

/** The process runs and its event loop turns: nothing more is claimed. */
export function health(): Response {
  return Response.json({ status: "ok" });
}

export function adminApp(deps: AdminDeps): Hono {
  const app = new Hono();
  const metrics = metricsHandler(deps.metrics.registry);
  app.get("/healthz", () => health());
  app.get("/readyz", () => readiness(deps));
  app.get("/status", () => Response.json(deps.edge.status()));
  app.all("/metrics", (context) => {
    deps.edge.observe();
    return metrics(context.req.raw);
  });
  return app;
}

async function storeAnswers(store: Store): Promise<boolean> {
  const signal = AbortSignal.timeout(STORE_PROBE_MS);
  const late = new Promise<boolean>((resolve) => signal.addEventListener("abort", () => resolve(false)));
  return await Promise.race([store.ping().then(() => true, () => false), late]);
}
