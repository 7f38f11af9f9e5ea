/** Enrollment tokens for administrators, and the page that shows one once. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { instant, utf8 } from "../../bytes/mod.ts";
import { AuditBudget } from "../audit_budget.ts";
import type { ControlDeps } from "../config.ts";
import { issueEnrollmentToken } from "../enrollment_token.ts";
import type { ControlEnv } from "../http.ts";
import { toldToken, wantedToken } from "../machine_app.ts";
import type { RequireAdmin } from "./authority.ts";
import { deliverByLink, openDelivery, revealPath } from "./delivery.ts";
import { revealPage } from "./pages.ts";
import { qrSvg } from "./qr.ts";
import { adminTokenRoute, revealRoute } from "./token_routes.ts";

export function addAdminTokenRoutes(
  app: OpenAPIHono<ControlEnv>,
  deps: ControlDeps,
  requireAdmin: RequireAdmin,
): void {
  const budget = new AuditBudget(deps.clock.now.bind(deps.clock));

  app.openapi(adminTokenRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    const { delivery = "answer", ...request } = context.req.valid("json");
    const issued = await issueEnrollmentToken(deps, actor, wantedToken(request));
    if (delivery === "answer") return context.json({ token: issued.token, ...toldToken(issued) }, 200);
    const url = await deliverByLink(deps, issued, issued.expiresAtMs);
    return context.json({ url, ...toldToken(issued) }, 200);
  });

  app.openapi(revealRoute, async (context) => {
    const { secret } = context.req.valid("json");
    const clientIp = context.env?.clientIp ?? "unknown";
    const { tokenId, token, expiresAtMs } = await openDelivery({ ...deps, budget }, secret, clientIp);
    // The token stands behind the #, as in the link.
    const deepLink = `postern://enroll?control=${encodeURIComponent(deps.publicUrl())}#${token}`;
    return context.json({
      token,
      token_id: tokenId,
      expires_at: instant(expiresAtMs),
      deep_link: deepLink,
      qr_svg: qrSvg(utf8(deepLink)),
    }, 200);
  });

  app.get(revealPath, (context) => {
    context.header("Content-Security-Policy", revealPage.policy);
    context.header("X-Content-Type-Options", "nosniff");
    context.header("Referrer-Policy", "no-referrer");
    return context.html(revealPage.html);
  });
}
