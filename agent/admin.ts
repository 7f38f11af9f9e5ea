/** What the agent's admin listener answers: health, status and metrics. */
import { type Metrics, metricsHandler } from "../src/telemetry/mod.ts";
import type { AgentStatus } from "./status.ts";

export interface AdminFacts {
  readonly metrics: Metrics;
  readonly status: () => AgentStatus;
  /** Whether every service is online. */
  readonly isReady: () => boolean;
}

/** GET and HEAD of /healthz, /readyz, /status, /metrics. */
export function adminHandler(facts: AdminFacts): (request: Request) => Response | Promise<Response> {
  const metrics = metricsHandler(facts.metrics.registry);
  return (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    switch (new URL(request.url).pathname) {
      case "/healthz":
        return json(request, 200, { status: "ok" });
      case "/readyz":
        return facts.isReady()
          ? json(request, 200, { status: "ready" })
          : json(request, 503, { status: "not ready" });
      case "/status":
        return json(request, 200, facts.status());
      case "/metrics":
        return metrics(request);
      default:
        return text(request, 404, "Not found\n");
    }
  };
}

function json(request: Request, status: number, value: unknown): Response {
  return text(request, status, JSON.stringify(value), "application/json");
}

function text(request: Request, status: number, body: string, type = "text/plain; charset=utf-8"): Response {
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}
