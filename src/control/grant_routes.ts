/** The routes of private channels as data. */
import { createRoute } from "@hono/zod-openapi";
import {
  channelInitRequestSchema,
  channelReissueRequestSchema,
  channelResponseSchema,
} from "./grant_schemas.ts";
import { answers, body, optionalBearer } from "./route_parts.ts";

const tags = ["Private channels"];

export const channelInitRoute = createRoute({
  method: "post",
  path: "/v1/channel/init",
  summary: "Ask for a channel to a private service",
  tags,
  security: optionalBearer,
  request: { body: body(channelInitRequestSchema) },
  responses: answers("Your grant; the service's agent has the other one.", channelResponseSchema),
});

export const channelReissueRoute = createRoute({
  method: "post",
  path: "/v1/channel/reissue",
  summary: "Have both grants of a channel issued again while its window is not over",
  tags,
  security: optionalBearer,
  request: { body: body(channelReissueRequestSchema) },
  responses: answers(
    "The same channel and key, fresh tokens; those of before are void.",
    channelResponseSchema,
  ),
});

export const GRANT_ROUTES = [channelInitRoute, channelReissueRoute] as const;
