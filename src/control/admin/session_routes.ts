/** The routes of accounts and sessions of administrators as data. */
import { createRoute } from "@hono/zod-openapi";
import { answers, bearer, body } from "../route_parts.ts";
import {
  accountChangedSchema,
  accountsResponseSchema,
  beginFactorRequestSchema,
  beginFactorResponseSchema,
  confirmFactorRequestSchema,
  deleteAccountRequestSchema,
  inviteRequestSchema,
  inviteResponseSchema,
  loginRequestSchema,
  loginResponseSchema,
  logoutRequestSchema,
  logoutResponseSchema,
  meResponseSchema,
  passwordRequestSchema,
  refreshRequestSchema,
  removeFactorOfRequestSchema,
  removeFactorRequestSchema,
  roleRequestSchema,
  setupRequestSchema,
} from "./session_schemas.ts";

const tags = ["Administrators"];

export const loginRoute = createRoute({
  method: "post",
  path: "/api/admin/login",
  summary: "Sign in with name and password",
  tags,
  request: { body: body(loginRequestSchema) },
  responses: answers("A session, as a cookie or as tokens.", loginResponseSchema),
});

export const refreshRoute = createRoute({
  method: "post",
  path: "/api/admin/refresh",
  summary: "Exchange a refresh token for the next one, and an access token",
  tags,
  request: { body: body(refreshRequestSchema) },
  responses: answers("Both tokens.", loginResponseSchema),
});

export const setupRoute = createRoute({
  method: "post",
  path: "/api/admin/setup",
  summary: "Make an account by a link, and sign in",
  tags,
  request: { body: body(setupRequestSchema) },
  responses: answers("A session, as a cookie or as tokens.", loginResponseSchema),
});

export const logoutRoute = createRoute({
  method: "post",
  path: "/api/admin/logout",
  summary: "End the session, or all of the account",
  tags,
  security: bearer,
  request: { body: body(logoutRequestSchema) },
  responses: answers("It is over.", logoutResponseSchema),
});

export const meRoute = createRoute({
  method: "get",
  path: "/api/admin/me",
  summary: "Show who is signed in",
  tags,
  security: bearer,
  responses: answers("Account, role and sessions.", meResponseSchema),
});

export const passwordRoute = createRoute({
  method: "post",
  path: "/api/admin/password",
  summary: "Change the own password; all other sessions end",
  tags,
  security: bearer,
  request: { body: body(passwordRequestSchema) },
  responses: answers("It is changed.", logoutResponseSchema),
});

export const beginFactorRoute = createRoute({
  method: "post",
  path: "/api/admin/factor/begin",
  summary: "Make a secret for an authenticator app, as the own second factor",
  tags,
  security: bearer,
  request: { body: body(beginFactorRequestSchema) },
  responses: answers("It counts once a code of it was seen.", beginFactorResponseSchema),
});

export const confirmFactorRoute = createRoute({
  method: "post",
  path: "/api/admin/factor/confirm",
  summary: "Show a code of the app: a login takes one from now on; all other sessions end",
  tags,
  security: bearer,
  request: { body: body(confirmFactorRequestSchema) },
  responses: answers("It counts.", logoutResponseSchema),
});

export const removeFactorRoute = createRoute({
  method: "post",
  path: "/api/admin/factor/remove",
  summary: "Take the own second factor away, by password and code",
  tags,
  security: bearer,
  request: { body: body(removeFactorRequestSchema) },
  responses: answers("It is gone.", accountChangedSchema),
});

export const removeFactorOfRoute = createRoute({
  method: "post",
  path: "/api/admin/accounts/factor/remove",
  summary: "Take the second factor of an account away; for owners",
  tags,
  security: bearer,
  request: { body: body(removeFactorOfRequestSchema) },
  responses: answers("It is gone.", accountChangedSchema),
});

export const accountsRoute = createRoute({
  method: "get",
  path: "/api/admin/accounts",
  summary: "List the accounts of administrators; for owners",
  tags,
  security: bearer,
  responses: answers("By name.", accountsResponseSchema),
});

export const inviteRoute = createRoute({
  method: "post",
  path: "/api/admin/accounts/invite",
  summary: "Make a link that makes an account; for owners",
  tags,
  security: bearer,
  request: { body: body(inviteRequestSchema) },
  responses: answers("The link.", inviteResponseSchema),
});

export const roleRoute = createRoute({
  method: "post",
  path: "/api/admin/accounts/role",
  summary: "Give an account another role; for owners",
  tags,
  security: bearer,
  request: { body: body(roleRequestSchema) },
  responses: answers("It counts from the next request on.", accountChangedSchema),
});

export const deleteAccountRoute = createRoute({
  method: "post",
  path: "/api/admin/accounts/delete",
  summary: "Delete an account and end its sessions; for owners",
  tags,
  security: bearer,
  request: { body: body(deleteAccountRequestSchema) },
  responses: answers("It is deleted.", accountChangedSchema),
});

export const ADMIN_SESSION_ROUTES = [
  loginRoute,
  refreshRoute,
  setupRoute,
  logoutRoute,
  meRoute,
  passwordRoute,
  beginFactorRoute,
  confirmFactorRoute,
  removeFactorRoute,
  removeFactorOfRoute,
  accountsRoute,
  inviteRoute,
  roleRoute,
  deleteAccountRoute,
] as const;
