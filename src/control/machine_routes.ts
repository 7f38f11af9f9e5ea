/** The routes of enrollment and machines as data. */
import { createRoute } from "@hono/zod-openapi";
import {
  deleteMachineRequestSchema,
  deleteMachineResponseSchema,
  enrollBeginRequestSchema,
  enrollBeginResponseSchema,
  enrollFinishRequestSchema,
  enrollFinishResponseSchema,
  enrollmentTokenRequestSchema,
  enrollmentTokenResponseSchema,
  machineParamsSchema,
  machineResponseSchema,
  machinesQuerySchema,
  machinesResponseSchema,
  restoreMachineRequestSchema,
  restoreMachineResponseSchema,
  revokeMachineRequestSchema,
  revokeMachineResponseSchema,
} from "./machine_schemas.ts";
import { answers, bearer, body, optionalBearer } from "./route_parts.ts";

const tags = ["Machines"];

export const enrollmentTokenRoute = createRoute({
  method: "post",
  path: "/v1/enroll/tokens",
  summary: "Issue a token that lets one machine enroll",
  tags,
  security: optionalBearer,
  request: { body: body(enrollmentTokenRequestSchema) },
  responses: answers("The token. Only operators may ask for one.", enrollmentTokenResponseSchema),
});

export const enrollBeginRoute = createRoute({
  method: "post",
  path: "/v1/enroll/begin",
  summary: "Begin the enrollment of a machine by its TPM",
  tags,
  request: { body: body(enrollBeginRequestSchema) },
  responses: answers(
    "A credential that only this TPM can activate, within 60 seconds.",
    enrollBeginResponseSchema,
  ),
});

export const enrollFinishRoute = createRoute({
  method: "post",
  path: "/v1/enroll/finish",
  summary: "Finish the enrollment of a machine",
  tags,
  request: { body: body(enrollFinishRequestSchema) },
  responses: answers("The machine is enrolled, and the token spent.", enrollFinishResponseSchema),
});

export const machinesRoute = createRoute({
  method: "get",
  path: "/v1/machines",
  summary: "List machines",
  tags,
  security: bearer,
  request: { query: machinesQuerySchema },
  responses: answers("Machines in the order of their agent ids. For operators.", machinesResponseSchema),
});

export const machineRoute = createRoute({
  method: "get",
  path: "/v1/machines/{agent_id}",
  summary: "Show one machine",
  tags,
  security: bearer,
  request: { params: machineParamsSchema },
  responses: answers("The machine. For operators.", machineResponseSchema),
});

export const revokeMachineRoute = createRoute({
  method: "post",
  path: "/v1/machines/revoke",
  summary: "Revoke a machine, or the endorsement key of a TPM, and cut its channels",
  tags,
  security: optionalBearer,
  request: { body: body(revokeMachineRequestSchema) },
  responses: answers("It is refused from now on. For operators.", revokeMachineResponseSchema),
});

export const restoreMachineRoute = createRoute({
  method: "post",
  path: "/v1/machines/restore",
  summary: "End the revocation of a machine",
  tags,
  security: optionalBearer,
  request: { body: body(restoreMachineRequestSchema) },
  responses: answers("It is admitted again. For operators.", restoreMachineResponseSchema),
});

export const deleteMachineRoute = createRoute({
  method: "post",
  path: "/v1/machines/delete",
  summary: "Forget a revoked machine; its endorsement key stays revoked",
  tags,
  security: optionalBearer,
  request: { body: body(deleteMachineRequestSchema) },
  responses: answers("It takes no place any more. For operators.", deleteMachineResponseSchema),
});

export const MACHINE_ROUTES = [
  enrollmentTokenRoute,
  enrollBeginRoute,
  enrollFinishRoute,
  machinesRoute,
  machineRoute,
  revokeMachineRoute,
  restoreMachineRoute,
  deleteMachineRoute,
] as const;
