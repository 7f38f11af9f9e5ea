/** The agent's own page for its machine: health, status and metrics. Without authentication, so on loopback only by default. */
import { type Address, formatAddress } from "../src/config/mod.ts";
import type { Log } from "../src/ports/mod.ts";
import { type Metrics, metricsHandler } from "../src/telemetry/mod.ts";
import type { AgentStatus } from "./status.ts";

export interface AdminOptions {
  readonly listen: Address;
  readonly metrics: Metrics;
  readonly status: () => AgentStatus;
  /** Whether every service is online. */
  readonly isReady: () => boolean;
  readonly log: Log;
}

export interface Admin {
  readonly address: string;
  close(): Promise<void>;
}

/** Listens, or says in the log why not: two agents on one machine must not keep each other from working. */
export function serveAdmin(options: AdminOptions): Admin | undefined {
  const { listen, log } = options;
  const answer = adminHandler(options);
  const stop = new AbortController();
  try {
    const server = Deno.serve({
      hostname: listen.host,
      port: listen.port,
      signal: stop.signal,
      onListen() {},
      onError: () => new Response("Internal error\n", { status: 500 }),
    }, answer);
    const { hostname, port } = server.addr;
    return {
      address: formatAddress({ host: hostname, port }),
      close() {
        // Not `shutdown`, which waits for whoever keeps a connection open to scrape again.
        stop.abort();
        return server.finished;
      },
    };
  } catch (error) {
    log("warn", "no admin page", {
      address: formatAddress(listen),
      detail: error instanceof Error ? error.message : undefined,
    });
    return undefined;
  }
}

/** GET and HEAD of /healthz, /readyz, /status, /metrics. */
export function adminHandler(
  options: Omit<AdminOptions, "listen" | "log">,
): (request: Request) => Response | Promise<Response> {
  const metrics = metricsHandler(options.metrics.registry);
  return (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    switch (new URL(request.url).pathname) {
      case "/healthz":
        return text(request, 200, "ok\n");
      case "/readyz":
        return options.isReady() ? text(request, 200, "ready\n") : text(request, 503, "not ready\n");
      case "/status":
        return text(request, 200, `${JSON.stringify(options.status())}\n`, "application/json");
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
