/** The routes of PCR policies as data. */
import { createRoute } from "@hono/zod-openapi";
import {
  applyPolicyRequestSchema,
  applyPolicyResponseSchema,
  learnPolicyRequestSchema,
  learnPolicyResponseSchema,
  policiesResponseSchema,
  policyParamsSchema,
  policyQuerySchema,
  policyResponseSchema,
} from "./policy_schemas.ts";
import { answers, bearer, body } from "./route_parts.ts";

const tags = ["Policies"];

export const policiesRoute = createRoute({
  method: "get",
  path: "/v1/policies",
  summary: "List PCR policies; for operators",
  tags,
  security: bearer,
  responses: answers("The newest version of each, by name.", policiesResponseSchema),
});

export const policyRoute = createRoute({
  method: "get",
  path: "/v1/policies/{name}",
  summary: "Show a PCR policy; for operators",
  tags,
  security: bearer,
  request: { params: policyParamsSchema, query: policyQuerySchema },
  responses: answers("The policy, and the versions of it that are kept.", policyResponseSchema),
});

export const applyPolicyRoute = createRoute({
  method: "post",
  path: "/v1/policies",
  summary: "Apply the next version of a PCR policy, or tell what that would do; for operators",
  tags,
  security: bearer,
  request: { body: body(applyPolicyRequestSchema) },
  responses: answers("What changes, and which machines pass.", applyPolicyResponseSchema),
});

export const learnPolicyRoute = createRoute({
  method: "post",
  path: "/v1/policies/learn",
  summary: "Make a PCR policy out of what machines showed last; for operators",
  tags,
  security: bearer,
  request: { body: body(learnPolicyRequestSchema) },
  responses: answers("A policy to review. Nothing is applied.", learnPolicyResponseSchema),
});

export const POLICY_ROUTES = [policiesRoute, policyRoute, applyPolicyRoute, learnPolicyRoute] as const;
