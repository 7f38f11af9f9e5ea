/** The admin API as a part of control. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ControlDeps, RateGroup } from "../config.ts";
import type { ControlEnv } from "../http.ts";
import type { RateLimiter } from "../rate_limit.ts";
import { adminAuthority } from "./authority.ts";
import { addAdminOidcRoutes, oidcCallbackPath, oidcLoginPath } from "./oidc_app.ts";
import { addAdminSessionRoutes } from "./session_app.ts";
import { ADMIN_SESSION_ROUTES, loginRoute, refreshRoute, setupRoute } from "./session_routes.ts";
import { revealPath } from "./delivery.ts";
import { addAdminTokenRoutes } from "./token_app.ts";
import { ADMIN_TOKEN_ROUTES, revealRoute } from "./token_routes.ts";
import { addAdminViewRoutes } from "./view_app.ts";
import { ADMIN_VIEW_ROUTES } from "./view_routes.ts";

export const ADMIN_ROUTES = [...ADMIN_SESSION_ROUTES, ...ADMIN_VIEW_ROUTES, ...ADMIN_TOKEN_ROUTES] as const;

/** Paths of pages, and of the ways to and from the OpenID provider: for browsers, and no part of the API. */
export const ADMIN_PAGE_PATHS: readonly string[] = [revealPath, oidcLoginPath, oidcCallbackPath];

/** What strangers may ask is limited more than what is asked by those who are signed in. */
export const ADMIN_RATE_GROUPS: Readonly<Record<string, RateGroup>> = {
  ...Object.fromEntries(ADMIN_ROUTES.map((route) => [route.getRoutingPath(), "admin" as const])),
  [loginRoute.path]: "login",
  [setupRoute.path]: "login",
  [refreshRoute.path]: "login",
  [revealRoute.path]: "login",
  [revealPath]: "read",
  [oidcLoginPath]: "login",
  [oidcCallbackPath]: "login",
};

export function addAdminRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps, limiter: RateLimiter): void {
  const requireAdmin = adminAuthority(deps);
  addAdminSessionRoutes(app, deps, requireAdmin, limiter);
  addAdminViewRoutes(app, deps, requireAdmin);
  addAdminTokenRoutes(app, deps, requireAdmin);
  addAdminOidcRoutes(app, deps);
}
