/** The routes of rules among nodes as data. */
import { createRoute } from "@hono/zod-openapi";
import { nodeRulesChangedSchema, nodeRuleSchema, nodeRulesSchema } from "./node_access_schemas.ts";
import { answers, bearer, body } from "./route_parts.ts";

const tags = ["Identities"];

export const nodeRulesRoute = createRoute({
  method: "get",
  path: "/api/admin/node-rules",
  summary: "List which tunnelers may come to which connectors",
  tags,
  security: bearer,
  responses: answers("What no rule names is refused. For viewers.", nodeRulesSchema),
});

export const allowNodesRoute = createRoute({
  method: "post",
  path: "/api/admin/node-rules/allow",
  summary: "Let tunnelers come to connectors",
  tags,
  security: bearer,
  request: { body: body(nodeRuleSchema) },
  responses: answers("It counts from now on, at every control. For operators.", nodeRulesChangedSchema),
});

export const disallowNodesRoute = createRoute({
  method: "post",
  path: "/api/admin/node-rules/disallow",
  summary: "Take a rule away; who was let in by it alone is cut",
  tags,
  security: bearer,
  request: { body: body(nodeRuleSchema) },
  responses: answers("It counts from now on, at every control. For operators.", nodeRulesChangedSchema),
});

export const NODE_ACCESS_ROUTES = [nodeRulesRoute, allowNodesRoute, disallowNodesRoute] as const;
