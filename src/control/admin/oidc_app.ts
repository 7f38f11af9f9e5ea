/** Signing in by an OpenID provider over HTTP: there, and back again. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { codeOf, PosternError } from "../../errors/mod.ts";
import { audit } from "../audit.ts";
import { AuditBudget } from "../audit_budget.ts";
import type { ControlDeps } from "../config.ts";
import type { ControlEnv } from "../http.ts";
import { isSecure, setSessionCookie } from "./authority.ts";
import { actorOf } from "./login.ts";
import { oidcLoginMs } from "./oidc.ts";
import { accountOfPerson } from "./oidc_accounts.ts";
import { openSession } from "./sessions.ts";

/** Where browsers begin. */
export const oidcLoginPath = "/api/admin/oidc/login";
/** Where the provider sends them back to. */
export const oidcCallbackPath = "/api/admin/oidc/callback";

/**
 * The browser comes from another site, so that the new cookie goes along only with what a page of ours asks for: a page, and
 * not a redirection, brings it to the dashboard.
 */
const backPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0;url=/dashboard">
<title>Signed in - Postern</title>
<p><a href="/dashboard">Go on to the dashboard</a></p>
</html>
`;

export function addAdminOidcRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  const budget = new AuditBudget(deps.clock.now.bind(deps.clock));
  const redirectUri = () => `${deps.publicUrl()}${oidcCallbackPath}`;
  const providerOf = () => {
    if (deps.oidc !== undefined) return deps.oidc;
    throw new PosternError("endpoint_not_found", "Cannot serve request: no OpenID provider is configured");
  };

  app.get(oidcLoginPath, async (context) => {
    const { url, attempt } = await providerOf().begin(redirectUri());
    setCookie(context, cookieName(context), attempt, {
      path: "/",
      httpOnly: true,
      // The provider's answer is a link of another site.
      sameSite: "Lax",
      secure: isSecure(context),
      maxAge: oidcLoginMs / 1_000,
    });
    return context.redirect(url, 303);
  });

  app.get(oidcCallbackPath, async (context) => {
    const provider = providerOf();
    const attempt = getCookie(context, cookieName(context));
    deleteCookie(context, cookieName(context), { path: "/", secure: isSecure(context) });
    const clientIp = context.env?.clientIp ?? "unknown";
    const { code, state, iss } = context.req.query();
    const auditLogin = (actor: string, subject: string, outcome: string) =>
      audit(deps, {
        actor,
        action: "admin.login",
        subject,
        outcome,
        detail: { address: clientIp, kind: "oidc" },
      });
    try {
      const account = await accountOfPerson(
        deps,
        await provider.finish(redirectUri(), attempt, { code, state, iss }),
      );
      const { secret } = await openSession(deps, account, "cookie", clientIp);
      await auditLogin(actorOf(account), account.accountId, "ok");
      setSessionCookie(context, secret);
      context.header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
      context.header("Referrer-Policy", "no-referrer");
      return context.html(backPage);
    } catch (error) {
      if (budget.take()) await auditLogin("anonymous", "unknown", codeOf(error));
      throw error;
    }
  });
}

function cookieName(context: Context<ControlEnv>): string {
  return isSecure(context) ? "__Host-postern_oidc" : "postern_oidc";
}
