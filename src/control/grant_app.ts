/** Private channels over HTTP. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { bearerOf, type Headed } from "./credentials.ts";
import { channelInitRoute, channelReissueRoute } from "./grant_routes.ts";
import type { ControlEnv } from "./http.ts";
import { initChannel, type OpenedChannel, reissueChannel } from "./private_channels.ts";
import { requesterOf } from "./private_services.ts";
import type { RateLimiter } from "./rate_limit.ts";

export function addGrantRoutes(
  app: OpenAPIHono<ControlEnv>,
  controlDeps: ControlDeps,
  limiter: RateLimiter,
): void {
  const deps = {
    ...controlDeps,
    budget: new AuditBudget(controlDeps.clock.now.bind(controlDeps.clock)),
  };
  const asking = async (request: Headed, token: string | undefined) => {
    const requester = await requesterOf(deps, [token, bearerOf(request)]);
    // By who asks as well as by where from: before anything is looked up, so that names are not tried out.
    limiter.spend("grant_owner", requester.owner);
    return requester;
  };

  app.openapi(channelInitRoute, async (context) => {
    const { service, channel_id, client_static_key, management_token } = context.req.valid("json");
    const requester = await asking(context.req, management_token);
    const request = { service, channelId: channel_id, clientKey: client_static_key };
    return context.json(toldOf(await initChannel(deps, requester, request)), 200);
  });

  app.openapi(channelReissueRoute, async (context) => {
    const { channel_id, reissue_token, management_token } = context.req.valid("json");
    const requester = await asking(context.req, management_token);
    const named = { channelId: channel_id, reissueToken: reissue_token };
    return context.json(toldOf(await reissueChannel(deps, requester, named)), 200);
  });
}

function toldOf({ grant, reissueToken }: OpenedChannel) {
  return {
    channel_id: grant.channel_id,
    grant_client: { ...grant, allowed_suites: [...grant.allowed_suites] },
    reissue_token: reissueToken,
  };
}
