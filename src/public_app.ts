/** What the public port answers besides services: control, the dashboard, and whether this edge is there. */
import type { ControlConfig } from "./control/mod.ts";
import { RateLimiter } from "./control/mod.ts";
import { type Dashboard, isDashboardPath } from "./dashboard/mod.ts";
import { codeOf } from "./errors/mod.ts";
import type { Clock } from "./ports/mod.ts";
import type { Readiness } from "./readiness.ts";

export interface PublicParts {
  readonly control: (request: Request, clientIp: string) => Promise<Response>;
  readonly dashboard: Pick<Dashboard, "fetch">;
  /** Whether an answer may go on for long. */
  readonly canStream: boolean;
  readonly readiness: Pick<Readiness, "answer">;
  readonly rates: ControlConfig["rates"];
  readonly clock: Pick<Clock, "now">;
}

/** The process runs and its event loop turns: nothing more is claimed. */
export function alive(): Response {
  return Response.json({ status: "ok" });
}

export function publicApp(parts: PublicParts): PublicParts["control"] {
  const { control, dashboard, canStream, readiness, clock } = parts;
  const limiter = new RateLimiter(parts.rates, () => clock.now());
  const limited = async (clientIp: string, answer: () => Response | Promise<Response>) => {
    try {
      limiter.spend("health", clientIp);
    } catch (error) {
      const headers = { "Cache-Control": "no-store", "Retry-After": "1" };
      return Response.json({ status: codeOf(error) }, { status: 429, headers });
    }
    return await answer();
  };
  return async (request, clientIp) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return await limited(clientIp, alive);
    if (pathname === "/readyz") return await limited(clientIp, () => readiness.answer());
    if (isDashboardPath(pathname)) return await dashboard.fetch(request, { clientIp, canStream });
    return await control(request, clientIp);
  };
}
