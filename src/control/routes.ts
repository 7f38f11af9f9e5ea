/** The routes of the control API as data: the application serves them, the API description lists them. */
import { createRoute, OpenAPIHono } from "@hono/zod-openapi";
import { ADMIN_ROUTES } from "./admin/mod.ts";
import { MACHINE_ROUTES } from "./machine_routes.ts";
import { CA_ROUTES } from "./ca_routes.ts";
import { NODE_ACCESS_ROUTES } from "./node_access_routes.ts";
import { NODE_ROUTES } from "./node_routes.ts";
import { GRANT_ROUTES } from "./grant_routes.ts";
import { POLICY_ROUTES } from "./policy_routes.ts";
import { verifyTokenRoute } from "./verdict_app.ts";
import { answers, bearer, body, json, optionalBearer } from "./route_parts.ts";
import {
  auditRequestSchema,
  auditResponseSchema,
  challengeRequestSchema,
  challengeResponseSchema,
  createRequestSchema,
  createResponseSchema,
  deleteRequestSchema,
  deleteResponseSchema,
  evidenceRequestSchema,
  evidenceResponseSchema,
  issueTokenRequestSchema,
  issueTokenResponseSchema,
  jwksSchema,
  listResponseSchema,
  revokeTokenRequestSchema,
  revokeTokenResponseSchema,
  tokenRequestSchema,
  tokenResponseSchema,
} from "./schemas.ts";

export const createTunnelRoute = createRoute({
  method: "post",
  path: "/tunnels/create",
  summary: "Create a tunnel, or get fresh tokens for one that you own",
  tags: ["Tunnels"],
  security: optionalBearer,
  request: { body: body(createRequestSchema) },
  responses: answers("The tunnel, edges to try, and tokens.", createResponseSchema),
});

export const deleteTunnelRoute = createRoute({
  method: "post",
  path: "/tunnels/delete",
  summary: "Delete a tunnel and cut its channels",
  tags: ["Tunnels"],
  security: optionalBearer,
  request: { body: body(deleteRequestSchema) },
  responses: answers("The tunnel is deleted.", deleteResponseSchema),
});

export const listTunnelsRoute = createRoute({
  method: "get",
  path: "/tunnels/list",
  summary: "List your tunnels",
  tags: ["Tunnels"],
  security: bearer,
  responses: answers("All tunnels of the token's owner, oldest first.", listResponseSchema),
});

export const refreshTokenRoute = createRoute({
  method: "post",
  path: "/auth/token",
  summary: "Exchange a management token for a fresh one",
  tags: ["Tokens"],
  security: optionalBearer,
  request: { body: { content: json(tokenRequestSchema), required: false } },
  responses: answers("A new management token of the same owner.", tokenResponseSchema),
});

export const issueTokenRoute = createRoute({
  method: "post",
  path: "/auth/token/issue",
  summary: "Issue a management token for an owner",
  tags: ["Tokens"],
  security: optionalBearer,
  request: { body: body(issueTokenRequestSchema) },
  responses: answers("A management token. Only operators may ask for one.", issueTokenResponseSchema),
});

export const revokeTokenRoute = createRoute({
  method: "post",
  path: "/auth/token/revoke",
  summary: "End the tokens of an owner or a family",
  tags: ["Tokens"],
  security: optionalBearer,
  request: { body: body(revokeTokenRequestSchema) },
  responses: answers("They are refused from now on.", revokeTokenResponseSchema),
});

export const auditRoute = createRoute({
  method: "get",
  path: "/v1/audit",
  summary: "Read the audit log, with the hashes that chain it; for operators",
  tags: ["Audit"],
  security: bearer,
  request: { query: auditRequestSchema },
  responses: answers("The lines after the one that was named.", auditResponseSchema),
});

export const challengeRoute = createRoute({
  method: "post",
  path: "/attest/challenge",
  summary: "Ask for a challenge that evidence must answer",
  tags: ["Attestation"],
  request: { body: body(challengeRequestSchema) },
  responses: answers("A challenge for one answer within 30 seconds.", challengeResponseSchema),
});

export const evidenceRoute = createRoute({
  method: "post",
  path: "/attest/evidence",
  summary: "Answer a challenge with evidence",
  tags: ["Attestation"],
  request: { body: body(evidenceRequestSchema) },
  responses: answers("A stage 1 token for the channel of the challenge.", evidenceResponseSchema),
});

export const jwksRoute = createRoute({
  method: "get",
  path: "/.well-known/jwks.json",
  summary: "Public keys of all tokens",
  tags: ["Tokens"],
  responses: answers("JWK set: current key, next key, previous keys.", jwksSchema),
});

export const ROUTES = [
  createTunnelRoute,
  deleteTunnelRoute,
  listTunnelsRoute,
  refreshTokenRoute,
  issueTokenRoute,
  revokeTokenRoute,
  verifyTokenRoute,
  auditRoute,
  challengeRoute,
  evidenceRoute,
  jwksRoute,
  ...MACHINE_ROUTES,
  ...NODE_ROUTES,
  ...NODE_ACCESS_ROUTES,
  ...CA_ROUTES,
  ...POLICY_ROUTES,
  ...GRANT_ROUTES,
  ...ADMIN_ROUTES,
] as const;

/** Path of the API description itself. */
export const openApiPath = "/openapi.json";

/** The API description (OpenAPI 3.1), generated from the routes. */
export function openApiDocument(): Record<string, unknown> {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Postern control plane",
      version: "1",
      description: "Tunnels, tokens and attestation. Every refusal is a problem document (RFC 9457).",
      license: { name: "Apache-2.0" },
    },
  });
  return document as unknown as Record<string, unknown>;
}
