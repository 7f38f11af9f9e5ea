/** The routes of enrollment tokens and of how they are delivered as data. */
import { createRoute } from "@hono/zod-openapi";
import { answers, bearer, body } from "../route_parts.ts";
import {
  adminTokenRequestSchema,
  adminTokenResponseSchema,
  revealRequestSchema,
  revealResponseSchema,
} from "./token_schemas.ts";

const tags = ["Administration"];

export const adminTokenRoute = createRoute({
  method: "post",
  path: "/api/admin/tokens",
  summary: "Issue a one-time token that lets a machine or a node enroll; for operators",
  tags,
  security: bearer,
  request: { body: body(adminTokenRequestSchema) },
  responses: answers("The token, or a link that shows it once.", adminTokenResponseSchema),
});

export const revealRoute = createRoute({
  method: "post",
  path: "/api/admin/reveal",
  summary: "Show what a link holds, once",
  tags,
  request: { body: body(revealRequestSchema) },
  responses: answers("The token. It is deleted here.", revealResponseSchema),
});

export const ADMIN_TOKEN_ROUTES = [adminTokenRoute, revealRoute] as const;
