/** The routes of node identities as data. */
import { createRoute } from "@hono/zod-openapi";
import {
  identityEnrollRequestSchema,
  identityRenewRequestSchema,
  identityResponseSchema,
  renewalNonceResponseSchema,
  revocationsResponseSchema,
  revokeIdentityRequestSchema,
  revokeIdentityResponseSchema,
  trustBundleQuerySchema,
  trustBundleResponseSchema,
} from "./node_schemas.ts";
import { answers, body, optionalBearer } from "./route_parts.ts";

const tags = ["Identities"];

export const identityEnrollRoute = createRoute({
  method: "post",
  path: "/v1/identity/enroll",
  summary: "Give a node its identity, for a one-time token and a request signed by the node's key",
  tags,
  request: { body: body(identityEnrollRequestSchema) },
  responses: answers("The certificate, and who else is to be believed.", identityResponseSchema),
});

export const renewalNonceRoute = createRoute({
  method: "post",
  path: "/v1/identity/nonce",
  summary: "Ask for the nonce of a renewal",
  tags,
  responses: answers("Good for one renewal within a minute.", renewalNonceResponseSchema),
});

export const identityRenewRoute = createRoute({
  method: "post",
  path: "/v1/identity/renew",
  summary: "Renew the identity of a node, by proof of the key that it has",
  tags,
  request: { body: body(identityRenewRequestSchema) },
  responses: answers("The next certificate, and what is new about whom to believe.", identityResponseSchema),
});

export const trustBundleRoute = createRoute({
  method: "get",
  path: "/v1/trust-bundle",
  summary: "Trust bundles of the cluster",
  tags,
  request: { query: trustBundleQuerySchema },
  responses: answers("Signed: believe them by the bundle that you hold only.", trustBundleResponseSchema),
});

export const revocationsRoute = createRoute({
  method: "get",
  path: "/v1/revocations",
  summary: "Node identities that were taken back",
  tags,
  responses: answers("Signed by an issuing CA of the trust bundle.", revocationsResponseSchema),
});

export const revokeIdentityRoute = createRoute({
  method: "post",
  path: "/v1/revocations",
  summary: "Take back a certificate, a key or a node",
  tags,
  security: optionalBearer,
  request: { body: body(revokeIdentityRequestSchema) },
  responses: answers("It is on the list from now on. For operators.", revokeIdentityResponseSchema),
});

export const NODE_ROUTES = [
  identityEnrollRoute,
  renewalNonceRoute,
  identityRenewRoute,
  trustBundleRoute,
  revocationsRoute,
  revokeIdentityRoute,
] as const;
