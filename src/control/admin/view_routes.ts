/** The routes of what administrators see and do as data. */
import { createRoute } from "@hono/zod-openapi";
import { answers, bearer, body } from "../route_parts.ts";
import {
  adminAuditQuerySchema,
  adminAuditResponseSchema,
  adminMachinesResponseSchema,
  adminPoliciesResponseSchema,
  connectorsResponseSchema,
  drainRequestSchema,
  drainResponseSchema,
  overviewResponseSchema,
  pageQuerySchema,
  policyDiffParamsSchema,
  policyDiffQuerySchema,
  policyDiffResponseSchema,
  resumeRequestSchema,
  resumeResponseSchema,
  revocationsResponseSchema,
  servicesResponseSchema,
  sessionsQuerySchema,
  sessionsResponseSchema,
  tunnelersResponseSchema,
  versionsResponseSchema,
} from "./view_schemas.ts";

const tags = ["Administration"];

export const overviewRoute = createRoute({
  method: "get",
  path: "/api/admin/overview",
  summary: "Show totals and the latest activity",
  tags,
  security: bearer,
  responses: answers("Totals.", overviewResponseSchema),
});

export const connectorsRoute = createRoute({
  method: "get",
  path: "/api/admin/connectors",
  summary: "List connectors",
  tags,
  security: bearer,
  request: { query: pageQuerySchema },
  responses: answers("In the order of their ids.", connectorsResponseSchema),
});

export const tunnelersRoute = createRoute({
  method: "get",
  path: "/api/admin/tunnelers",
  summary: "List tunnelers",
  tags,
  security: bearer,
  request: { query: pageQuerySchema },
  responses: answers("In the order of their ids.", tunnelersResponseSchema),
});

export const servicesRoute = createRoute({
  method: "get",
  path: "/api/admin/services",
  summary: "List the services of all owners",
  tags,
  security: bearer,
  request: { query: pageQuerySchema },
  responses: answers("In the order of their tunnel ids.", servicesResponseSchema),
});

export const sessionsRoute = createRoute({
  method: "get",
  path: "/api/admin/sessions",
  summary: "List the live channels of all edges",
  tags,
  security: bearer,
  request: { query: sessionsQuerySchema },
  responses: answers("In the order of their session ids.", sessionsResponseSchema),
});

export const adminMachinesRoute = createRoute({
  method: "get",
  path: "/api/admin/machines",
  summary: "List machines that are enrolled by their TPM",
  tags,
  security: bearer,
  request: { query: pageQuerySchema },
  responses: answers("In the order of their agent ids.", adminMachinesResponseSchema),
});

export const adminPoliciesRoute = createRoute({
  method: "get",
  path: "/api/admin/policies",
  summary: "List PCR policies",
  tags,
  security: bearer,
  responses: answers("The newest version of each, by name.", adminPoliciesResponseSchema),
});

export const policyDiffRoute = createRoute({
  method: "get",
  path: "/api/admin/policies/{name}/diff",
  summary: "Compare two versions of a PCR policy",
  tags,
  security: bearer,
  request: { params: policyDiffParamsSchema, query: policyDiffQuerySchema },
  responses: answers("What changed.", policyDiffResponseSchema),
});

export const adminRevocationsRoute = createRoute({
  method: "get",
  path: "/api/admin/revocations",
  summary: "List what was revoked: tokens, machines by their EK, and nodes",
  tags,
  security: bearer,
  request: { query: pageQuerySchema },
  responses: answers("In the order of kind and id.", revocationsResponseSchema),
});

export const adminAuditRoute = createRoute({
  method: "get",
  path: "/api/admin/audit",
  summary: "Read the audit log backwards",
  tags,
  security: bearer,
  request: { query: adminAuditQuerySchema },
  responses: answers("Lines, the newest first. /v1/audit tells their hashes.", adminAuditResponseSchema),
});

export const versionsRoute = createRoute({
  method: "get",
  path: "/api/admin/versions",
  summary: "Show which versions are running",
  tags,
  security: bearer,
  responses: answers("Of this edge, and of all nodes.", versionsResponseSchema),
});

export const drainRoute = createRoute({
  method: "post",
  path: "/api/admin/drain",
  summary: "End the channels of an agent, a service or an edge in order, wherever they are; for operators",
  tags,
  security: bearer,
  request: { body: body(drainRequestSchema) },
  responses: answers(
    "They take no new streams. An agent that still runs comes again, with a channel of its own.",
    drainResponseSchema,
  ),
});

export const resumeRoute = createRoute({
  method: "post",
  path: "/api/admin/resume",
  summary: "Let a drained edge have agents again; for operators",
  tags,
  security: bearer,
  request: { body: body(resumeRequestSchema) },
  responses: answers("Agents are sent to it again.", resumeResponseSchema),
});

export const ADMIN_VIEW_ROUTES = [
  overviewRoute,
  connectorsRoute,
  tunnelersRoute,
  servicesRoute,
  sessionsRoute,
  adminMachinesRoute,
  adminPoliciesRoute,
  policyDiffRoute,
  adminRevocationsRoute,
  adminAuditRoute,
  versionsRoute,
  drainRoute,
  resumeRoute,
] as const;
