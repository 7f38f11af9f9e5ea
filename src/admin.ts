/** What the edge's admin listener answers: health, readiness, metrics and status. */
import { Hono } from "hono";
import type { Edge } from "./edge/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";
import { type Metrics, metricsHandler } from "./telemetry/mod.ts";

/** Time for the store to answer a readiness probe. */
const STORE_PROBE_MS = 2_000;

export interface AdminDeps {
  readonly edge: Edge;
  readonly store: Store;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** Whether everything that a viewer or an agent needs works now, and what does not. */
export async function readiness({ edge, store, clock }: Omit<AdminDeps, "metrics">): Promise<Response> {
  const checks = { edge: edge.isReady, store: await storeAnswers(store, clock) };
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

async function storeAnswers(store: Store, clock: Clock): Promise<boolean> {
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.schedule(clock.now() + STORE_PROBE_MS, () => resolve(false));
  });
  const answers = await Promise.race([store.ping().then(() => true, () => false), late]);
  cancel();
  return answers;
}
