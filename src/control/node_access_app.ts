/** Rules of who may come to whom among nodes, over HTTP. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { adminAuthority } from "./admin/mod.ts";
import type { ControlDeps } from "./config.ts";
import type { ControlEnv } from "./http.ts";
import { allowNodes, disallowNodes } from "./node_access.ts";
import { allowNodesRoute, disallowNodesRoute, nodeRulesRoute } from "./node_access_routes.ts";

export function addNodeAccessRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  const requireAdmin = adminAuthority(deps);

  app.openapi(nodeRulesRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { value: { rules } } = await deps.store.nodeAccess();
    return context.json({
      rules: rules.map(({ connector, tunneler, addedBy, addedAtMs }) => ({
        connector,
        tunneler,
        added_by: addedBy,
        added_at: new Date(addedAtMs).toISOString(),
      })),
    }, 200);
  });

  app.openapi(allowNodesRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    return context.json({ changed: await allowNodes(deps, actor, context.req.valid("json")) }, 200);
  });

  app.openapi(disallowNodesRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    return context.json({ changed: await disallowNodes(deps, actor, context.req.valid("json")) }, 200);
  });
}
