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
        return text(request, 200, "ok\n");
      case "/readyz":
        return facts.isReady() ? text(request, 200, "ready\n") : text(request, 503, "not ready\n");
      case "/status":
        return text(request, 200, `${JSON.stringify(facts.status())}\n`, "application/json");
      case "/metrics":
        return metrics(request);
      default:
        return text(request, 404, "Not found\n");
    }
  };
}

function text(request: Request, status: number, body: string, type = "text/plain; charset=utf-8"): Response {
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}
