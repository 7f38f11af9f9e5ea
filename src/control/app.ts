/** The control plane as one function Request -> Response. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { instant } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { addAdminRoutes, ADMIN_PAGE_PATHS, ADMIN_RATE_GROUPS } from "./admin/mod.ts";
import { answerChallenge, openChallenge } from "./attestation.ts";
import { addCaRoutes } from "./ca_app.ts";
import { caRoute, importCaRoute, requestCaRoute, rotateCaRoute } from "./ca_routes.ts";
import type { ControlDeps, RateGroup } from "./config.ts";
import {
  bearerOf,
  grantManagementToken,
  type IssuedManagement,
  readCredentials,
  refreshManagementToken,
  requireManagement,
  requireOperator,
  revokeManagementToken,
  revokeTokens,
} from "./credentials.ts";
import { addGrantRoutes } from "./grant_app.ts";
import { channelInitRoute, channelReissueRoute } from "./grant_routes.ts";
import { frontPage, frontPagePath, frontPagePolicy, wantsPage } from "./front_page.ts";
import { type ControlEnv, jsonBody, problemOf, rateLimit, requestId } from "./http.ts";
import { addMachineRoutes } from "./machine_app.ts";
import {
  deleteMachineRoute,
  enrollBeginRoute,
  enrollFinishRoute,
  enrollmentTokenRoute,
  machinesRoute,
  restoreMachineRoute,
  revokeMachineRoute,
} from "./machine_routes.ts";
import { addNodeAccessRoutes } from "./node_access_app.ts";
import { allowNodesRoute, disallowNodesRoute, nodeRulesRoute } from "./node_access_routes.ts";
import { addNodeRoutes } from "./node_app.ts";
import {
  identityEnrollRoute,
  identityRenewRoute,
  renewalNonceRoute,
  revocationsRoute,
  trustBundleRoute,
} from "./node_routes.ts";
import { addPolicyRoutes } from "./policy_app.ts";
import { applyPolicyRoute, policyRoute } from "./policy_routes.ts";
import { RateLimiter } from "./rate_limit.ts";
import {
  auditRoute,
  challengeRoute,
  createTunnelRoute,
  deleteTunnelRoute,
  evidenceRoute,
  issueTokenRoute,
  jwksRoute,
  listTunnelsRoute,
  openApiDocument,
  openApiPath,
  refreshTokenRoute,
  revokeTokenRoute,
  ROUTES,
} from "./routes.ts";
import { unknownMembers } from "./schemas.ts";
import { deleteTunnel } from "./tunnel_deletion.ts";
import { hostnameOf } from "./tunnel_tokens.ts";
import { createTunnel } from "./tunnels.ts";
import { addVerdictRoutes, verifyTokenRoute } from "./verdict_app.ts";

/** How long caches may keep the key set: well below the time that a key is published before it signs. */
const jwksCacheSeconds = 300;

const GROUPS: Readonly<Record<string, RateGroup>> = {
  ...ADMIN_RATE_GROUPS,
  [createTunnelRoute.path]: "create",
  [deleteTunnelRoute.path]: "manage",
  [listTunnelsRoute.path]: "manage",
  [refreshTokenRoute.path]: "manage",
  [issueTokenRoute.path]: "manage",
  [revokeTokenRoute.path]: "manage",
  [challengeRoute.path]: "attest",
  [evidenceRoute.path]: "attest",
  [applyPolicyRoute.path]: "manage",
  [policyRoute.getRoutingPath()]: "manage",
  [auditRoute.path]: "read",
  [enrollBeginRoute.path]: "enroll",
  [enrollFinishRoute.path]: "enroll",
  [enrollmentTokenRoute.path]: "manage",
  [machinesRoute.path]: "manage",
  // Not of the paths beside it, which have a limit of their own.
  [`${machinesRoute.path}/:agent_id{agent-.+}`]: "manage",
  [revokeMachineRoute.path]: "manage",
  [restoreMachineRoute.path]: "manage",
  [deleteMachineRoute.path]: "manage",
  [identityEnrollRoute.path]: "enroll",
  [renewalNonceRoute.path]: "identity",
  [identityRenewRoute.path]: "identity",
  [caRoute.path]: "admin",
  [rotateCaRoute.path]: "admin",
  [requestCaRoute.path]: "admin",
  [importCaRoute.path]: "admin",
  [nodeRulesRoute.path]: "admin",
  [allowNodesRoute.path]: "admin",
  [disallowNodesRoute.path]: "admin",
  [verifyTokenRoute.path]: "verify",
  [trustBundleRoute.path]: "identity",
  [revocationsRoute.path]: "identity",
  [channelInitRoute.path]: "grant",
  [channelReissueRoute.path]: "grant",
  [jwksRoute.path]: "read",
  [openApiPath]: "read",
  [frontPagePath]: "read",
};

/** Methods of each path, for the Allow header. */
const METHODS = new Map<string, string>([
  [openApiPath, "GET"],
  [frontPagePath, "GET"],
  ...ADMIN_PAGE_PATHS.map((path): [string, string] => [path, "GET"]),
]);
for (const route of ROUTES) {
  const path = route.getRoutingPath();
  METHODS.set(path, [...METHODS.get(path)?.split(", ") ?? [], route.method.toUpperCase()].join(", "));
}

/** The paths that {@link controlApp} answers, for a front that has to tell them from others. */
export const controlPaths: readonly string[] = [...METHODS.keys()];

/**
 * Builds the application. Use `app.fetch(request, { clientIp })`: without the client's address all requests share one
 * rate limit.
 */
export function controlApp(deps: ControlDeps): OpenAPIHono<ControlEnv> {
  const app = new OpenAPIHono<ControlEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const { path, message } = result.error.issues[0];
      throw new PosternError(
        "request_invalid",
        `Cannot read request: ${path.join(".").slice(0, 100) || "its body"}: ${message.slice(0, 200)}`,
      );
    },
  });
  const limiter = new RateLimiter(deps.config.rates, deps.clock.now.bind(deps.clock));
  app.use(requestId(deps.random));
  for (const [path, group] of Object.entries(GROUPS)) app.use(path, rateLimit(limiter, group));
  app.use(jsonBody(deps.config.limits.maxBodyBytes));
  app.use(async (context, next) => {
    await next();
    // Answers hold tokens unless they say otherwise.
    if (!context.res.headers.has("Cache-Control")) context.res.headers.set("Cache-Control", "no-store");
  });
  addTunnelRoutes(app, deps);
  addTokenRoutes(app, deps);
  addVerdictRoutes(app, deps);
  addAuditRoutes(app, deps);
  addAttestationRoutes(app, deps);
  addMachineRoutes(app, deps);
  addNodeRoutes(app, deps);
  addNodeAccessRoutes(app, deps);
  addCaRoutes(app, deps);
  addPolicyRoutes(app, deps);
  addGrantRoutes(app, deps, limiter);
  addAdminRoutes(app, deps, limiter);

  const document = openApiDocument();
  app.get(openApiPath, (context) => context.json(document));
  app.get(frontPagePath, (context) => {
    if (!wantsPage(context.req.header("Accept"))) throw notFound();
    context.header("Content-Security-Policy", frontPagePolicy);
    context.header("X-Content-Type-Options", "nosniff");
    return context.html(frontPage);
  });
  app.notFound((context) => {
    const allow = allowOf(context.req.path);
    throw allow === undefined
      ? notFound()
      : new PosternError("method_not_allowed", `Cannot serve request: only ${allow} is allowed`, {
        detail: { allow },
      });
  });
  app.onError(problemOf(deps.log));
  return app;
}

function addTunnelRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  app.openapi(createTunnelRoute, async (context) => {
    const request = context.req.valid("json");
    const bearer = bearerOf(context.req);
    const credentials = await readCredentials(deps, [
      request.management_token,
      request.recreate_token,
      bearer,
    ]);
    const created = await createTunnel(deps, {
      requestedName: request.requested_name,
      preferredTransports: request.preferred_transports ?? [],
      regionHint: request.region_hint,
      recreateTtlSeconds: request.recreate_token_ttl_seconds,
      protocol: request.protocol,
      weight: request.weight,
      rules: request.rules,
      requireTier: request.require_tier,
      unknownMembers: unknownMembers(request),
      clientIp: context.env?.clientIp ?? "unknown",
    }, credentials);
    const { tunnel, choice } = created;
    return context.json({
      tunnel_id: tunnel.tunnelId,
      public_hostname: created.hostname,
      candidates: choice.edges.map((edge) => ({
        edge_id: edge.edgeId,
        edge_url: edge.edgeUrl,
        supported_transport: edge.transport,
        region: edge.region,
        ...(edge.note === undefined ? {} : { note: edge.note }),
        edge_public_key: edge.publicKey,
      })),
      ephemeral_token: created.ephemeral.token,
      recreate_token: created.recreate.token,
      candidates_expires_at: instant(created.candidatesExpireAtMs),
      ...(created.note === undefined ? {} : { note: created.note }),
      ...(tunnel.publicPort === undefined ? {} : { public_port: tunnel.publicPort }),
      ...(tunnel.requireTier === undefined ? {} : { require_tier: tunnel.requireTier }),
      ...(created.rulesRevision === undefined ? {} : { rules_revision: created.rulesRevision }),
    }, 200);
  });

  app.openapi(deleteTunnelRoute, async (context) => {
    const request = context.req.valid("json");
    const bearer = bearerOf(context.req);
    const credentials = await readCredentials(deps, [
      request.management_token,
      request.recreate_token,
      bearer,
    ]);
    await deleteTunnel(deps, request.tunnel_id, credentials);
    return context.json({ tunnel_id: request.tunnel_id, deleted: true as const }, 200);
  });

  app.openapi(listTunnelsRoute, async (context) => {
    const { sub } = await requireManagement(deps, [bearerOf(context.req)]);
    const tunnels = await Promise.all((await deps.store.tunnelsOf(sub)).map(async (tunnel) => {
      const presence = await deps.presence(tunnel.tunnelId);
      return {
        tunnel_id: tunnel.tunnelId,
        name: tunnel.name,
        public_hostname: hostnameOf(deps, tunnel),
        protocol: tunnel.protocol,
        ...(tunnel.publicPort === undefined ? {} : { public_port: tunnel.publicPort }),
        status: presence.status,
        agents: presence.agents,
        tiers: [...presence.tiers],
        ...(tunnel.requireTier === undefined ? {} : { require_tier: tunnel.requireTier }),
        ...(presence.lastEchoAtMs === undefined ? {} : { last_echo_at: instant(presence.lastEchoAtMs) }),
        created_at: instant(tunnel.createdAtMs),
      };
    }));
    return context.json({ tunnels }, 200);
  });
}

function addTokenRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  app.openapi(refreshTokenRoute, async (context) => {
    const request = context.req.valid("json");
    const bearer = bearerOf(context.req);
    const current = await requireManagement(deps, [request.management_token, bearer]);
    const issued = await refreshManagementToken(deps, current);
    if (request.revoke_current) await revokeManagementToken(deps, current);
    deps.events.onTokenIssued?.("management");
    return context.json(toldOf(deps, issued), 200);
  });

  app.openapi(issueTokenRoute, async (context) => {
    const request = context.req.valid("json");
    const bearer = bearerOf(context.req);
    const operator = await requireOperator(deps, [request.management_token, bearer]);
    const { owner, role, ttl_seconds: ttl } = request;
    const ttlMs = ttl === undefined ? undefined : ttl * 1_000;
    const issued = await grantManagementToken(deps, operator.sub, { owner, role, ttlMs });
    return context.json(toldOf(deps, issued), 200);
  });

  app.openapi(revokeTokenRoute, async (context) => {
    const { owner, family, management_token } = context.req.valid("json");
    const bearer = bearerOf(context.req);
    const by = await requireManagement(deps, [management_token, bearer]);
    const target = owner === undefined ? { family: family! } : { owner };
    const { tunnelIds, isKnown } = await revokeTokens(deps, by, target);
    return context.json({ revoked: true as const, tunnels: tunnelIds.length, known: isKnown }, 200);
  });

  app.openapi(jwksRoute, (context) => {
    context.header("Cache-Control", `public, max-age=${jwksCacheSeconds}`);
    return context.json(deps.keyset.jwks(), 200);
  });
}

/** Most audit lines in one answer: they have to fit into what clients read. */
const maxAuditLines = 400;

function addAuditRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  app.openapi(auditRoute, async (context) => {
    await requireOperator(deps, [bearerOf(context.req)]);
    const { after } = context.req.valid("query");
    const lines = await deps.store.auditLines(maxAuditLines, after);
    return context.json({
      lines: lines.map(({ atMs, ...line }) => ({ ...line, at: instant(atMs) })),
      head: await deps.store.auditHead(),
    }, 200);
  });
}

function addAttestationRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  app.openapi(challengeRoute, async (context) => {
    const request = context.req.valid("json");
    const challenge = await openChallenge(deps, {
      authority: request.reauth_token === undefined
        ? { stage0Token: request.stage0_token! }
        : { reauthToken: request.reauth_token },
      sessionNonce: request.session_nonce,
      handshakeHash: request.handshake_hash,
      agentStatic: request.agent_static,
      agentId: request.agent_id,
      reauthVersion: request.reauth_version,
    });
    return context.json({
      challenge_id: challenge.challengeId,
      authority_nonce: challenge.authorityNonce,
      policy_version: challenge.policyVersion,
      pcr_selection: challenge.pcrs,
      expires_at: instant(challenge.expiresAtMs),
    }, 200);
  });

  app.openapi(evidenceRoute, async (context) => {
    const request = context.req.valid("json");
    const { stage1, reauth } = await answerChallenge(deps, request.challenge_id, request.evidence);
    return context.json({
      stage1_token: stage1.token,
      ...(reauth === undefined ? {} : { reauth_token: reauth.token }),
    }, 200);
  });
}

/** Method of the path, be it one with a parameter; undefined where there is nothing. */
function allowOf(path: string): string | undefined {
  const exact = METHODS.get(path);
  if (exact !== undefined) return exact;
  const parts = path.split("/");
  const matches = (routing: string) => {
    const pattern = routing.split("/");
    return pattern.length === parts.length &&
      pattern.every((part, at) => part === parts[at] || (part.startsWith(":") && parts[at] !== ""));
  };
  return [...METHODS].find(([routing]) => matches(routing))?.[1];
}

function notFound(): PosternError {
  return new PosternError("endpoint_not_found", "Cannot serve request: there is no such endpoint");
}

function toldOf(deps: ControlDeps, issued: IssuedManagement) {
  const { sub: owner, role, family } = issued.claims;
  return {
    management_token: issued.token,
    token_type: "Bearer" as const,
    expires_in: Math.floor((issued.expiresAtMs - deps.clock.wall()) / 1_000),
    expires_at: instant(issued.expiresAtMs),
    owner,
    role,
    family,
    family_ends_at: instant(issued.familyEndMs),
  };
}
