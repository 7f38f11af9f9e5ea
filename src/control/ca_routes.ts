/** The routes of authorities as data. */
import { createRoute } from "@hono/zod-openapi";
import {
  caRequestResponseSchema,
  caResponseSchema,
  importCaRequestSchema,
  rotateCaRequestSchema,
} from "./ca_schemas.ts";
import { answers, bearer, body } from "./route_parts.ts";

const tags = ["Identities"];

export const caRoute = createRoute({
  method: "get",
  path: "/api/admin/ca",
  summary: "Show the authorities of nodes, and what is being rotated",
  tags,
  security: bearer,
  responses: answers("Authorities. For viewers.", caResponseSchema),
});

export const rotateCaRoute = createRoute({
  method: "post",
  path: "/api/admin/ca/rotate",
  summary: "Start to follow the issuing CA, or the root, by a new one; or take the step that is due",
  tags,
  security: bearer,
  request: { body: body(rotateCaRequestSchema) },
  responses: answers("Authorities as they are now. For operators.", caResponseSchema),
});

export const requestCaRoute = createRoute({
  method: "post",
  path: "/api/admin/ca/request",
  summary:
    "Ask for the request of an issuing CA whose root is offline; its key stays at the control that is asked",
  tags,
  security: bearer,
  responses: answers("The same until its certificate is imported. For operators.", caRequestResponseSchema),
});

export const importCaRoute = createRoute({
  method: "post",
  path: "/api/admin/ca/import",
  summary:
    "Start to follow the issuing CA by one that was certified elsewhere, for the request of this control",
  tags,
  security: bearer,
  request: { body: body(importCaRequestSchema) },
  responses: answers("Authorities as they are now. For operators.", caResponseSchema),
});

export const CA_ROUTES = [caRoute, rotateCaRoute, requestCaRoute, importCaRoute] as const;
