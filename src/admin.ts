/** What the edge's admin listener answers: health, readiness, metrics and status. */
import { Hono } from "hono";
import { type Dashboard, isDashboardPath } from "./dashboard/mod.ts";
import type { EdgePlane } from "./edge/mod.ts";
import type { AttestationStore } from "./ports/mod.ts";
import { alive } from "./public_app.ts";
import type { Readiness } from "./readiness.ts";
import { metricsHandler } from "./telemetry/mod.ts";

export interface AdminDeps {
  readonly edge: EdgePlane;
  readonly readiness: Readiness;
  readonly store: Pick<AttestationStore, "attestations">;
  readonly dashboard: Pick<Dashboard, "fetch">;
}

/** Attestations that the status tells, the last change first. */
const MAX_TOLD = 64;

export function adminApp(deps: AdminDeps): Hono {
  const app = new Hono();
  const metrics = metricsHandler({ metrics: () => deps.edge.metricsPage() });
  app.get("/healthz", () => alive());
  app.get("/readyz", () => deps.readiness.answer());
  app.get("/status", async () => {
    const [status, attestations] = await Promise.all([deps.edge.status(), toldAttestations(deps.store)]);
    return Response.json({ ...status, attestations });
  });
  // Whoever reaches this listener still has to sign in there.
  app.use(async (context, next) => {
    if (!isDashboardPath(context.req.path)) return await next();
    return await deps.dashboard.fetch(context.req.raw, { canStream: true });
  });
  app.all("/metrics", (context) => metrics(context.req.raw));
  return app;
}

/** Also of channels that are over, and of before a restart. */
async function toldAttestations(store: AdminDeps["store"]) {
  return (await store.attestations(MAX_TOLD)).map((record) => ({
    session_id: record.sessionId,
    tunnel_id: record.tunnelId,
    agent_id: record.agentId,
    edge_id: record.holder,
    state: record.state,
    code: record.code ?? null,
    attested_at: record.attestedAtMs,
    reauth_deadline: record.deadlineMs ?? null,
    attempts: record.attempts,
    changed_at: record.changedAtMs,
  }));
}
