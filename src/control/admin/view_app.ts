/** What administrators see and do, over HTTP. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { instant } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { AuditEntry, RevokedThing } from "../../ports/mod.ts";
import { audit } from "../audit.ts";
import type { ControlDeps, LiveChannel } from "../config.ts";
import type { ControlEnv } from "../http.ts";
import { toldMachine } from "../machine_app.ts";
import { machinePage } from "../machines.ts";
import { listPolicies } from "../policies.ts";
import { toldPolicy } from "../policy_app.ts";
import { type ChannelTotals, drainAtEdges, totalsOfEdges } from "../edge_question.ts";
import { hostnameOf } from "../tunnel_tokens.ts";
import type { RequireAdmin } from "./authority.ts";
import {
  adminAuditRoute,
  adminMachinesRoute,
  adminPoliciesRoute,
  adminRevocationsRoute,
  connectorsRoute,
  drainRoute,
  overviewRoute,
  policyDiffRoute,
  resumeRoute,
  servicesRoute,
  sessionsRoute,
  tunnelersRoute,
  versionsRoute,
} from "./view_routes.ts";
import {
  channelPage,
  defaultAdminPage,
  nodePage,
  nodeVersions,
  type NodeView,
  overviewOf,
  pageOf,
  policyDiff,
  servicePage,
  type ServiceView,
} from "./views.ts";

/** Lines of the overview. */
const latestLines = 20;
/** How long open streams may go on unless said. */
const defaultDrainMs = 30_000;

export function addAdminViewRoutes(
  app: OpenAPIHono<ControlEnv>,
  deps: ControlDeps,
  requireAdmin: RequireAdmin,
): void {
  app.openapi(overviewRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { connectors, tunnelers, channels, edges } = await overviewOf(deps);
    const activity = await deps.store.auditEntries(latestLines);
    return context.json({
      connectors: withOffline(connectors),
      tunnelers: withOffline(tunnelers),
      channels: withOffline(channels),
      edges: edges.rows.map(toldEdge),
      silent_edges: [...edges.silent],
      activity: activity.map(toldEntry),
    }, 200);
  });

  app.openapi(connectorsRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit, after } = context.req.valid("query");
    const { rows, next } = await nodePage(deps, "connector", limit, after);
    const connectors = rows.map((node) => ({
      ...toldNode(node),
      ...(node.privateIp === undefined ? {} : { private_ip: node.privateIp }),
    }));
    return context.json({ connectors, ...(next === undefined ? {} : { next }) }, 200);
  });

  app.openapi(tunnelersRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit, after } = context.req.valid("query");
    const { rows, next } = await nodePage(deps, "tunneler", limit, after);
    const tunnelers = rows.map((node) => ({
      ...toldNode(node),
      ...(node.connectorId === undefined ? {} : { connector_id: node.connectorId }),
    }));
    return context.json({ tunnelers, ...(next === undefined ? {} : { next }) }, 200);
  });

  app.openapi(servicesRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit, after } = context.req.valid("query");
    const { rows, next } = await servicePage(deps, limit, after);
    const services = rows.map((service) => toldService(deps, service));
    return context.json({ services, ...(next === undefined ? {} : { next }) }, 200);
  });

  app.openapi(sessionsRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit, after, tunnel_id: tunnelId, agent_id: agentId } = context.req.valid("query");
    const { rows, next, silent } = await channelPage(deps, limit, after, { tunnelId, agentId });
    return context.json({
      sessions: rows.map(toldChannel),
      silent_edges: [...silent],
      ...(next === undefined ? {} : { next }),
    }, 200);
  });

  app.openapi(adminMachinesRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit, after } = context.req.valid("query");
    const { machines, next } = await machinePage(deps, limit, after);
    return context.json(
      { machines: machines.map(toldMachine), ...(next === undefined ? {} : { next }) },
      200,
    );
  });

  app.openapi(adminPoliciesRoute, async (context) => {
    await requireAdmin(context, "viewer");
    return context.json({ policies: (await listPolicies(deps)).map(toldPolicy) }, 200);
  });

  app.openapi(policyDiffRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { name } = context.req.valid("param");
    const query = context.req.valid("query");
    const { from, to, changes } = await policyDiff(deps, name, query.from, query.to);
    return context.json({
      name,
      ...(from === undefined ? {} : { from }),
      to,
      changes: changes.map(({ what, removed, added }) => ({
        what,
        removed: [...removed],
        added: [...added],
      })),
    }, 200);
  });

  app.openapi(adminRevocationsRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit = defaultAdminPage, after } = context.req.valid("query");
    const found = await deps.store.revocations(limit + 1, after === undefined ? undefined : cursorOf(after));
    const { rows, next } = pageOf(found, limit, ({ kind, id }) => `${kind}:${id}`);
    return context.json({
      revocations: rows.map(({ revokedAtMs, forgetAtMs, ...revoked }) => ({
        ...revoked,
        revoked_at: instant(revokedAtMs),
        ...(forgetAtMs === undefined ? {} : { kept_until: instant(forgetAtMs) }),
      })),
      ...(next === undefined ? {} : { next }),
    }, 200);
  });

  app.openapi(adminAuditRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const { limit = defaultAdminPage, before } = context.req.valid("query");
    const { rows, next } = pageOf(
      await deps.store.auditEntries(limit + 1, before),
      limit,
      ({ id }) => String(id),
    );
    const entries = rows.map(toldEntry);
    return context.json({ entries, ...(next === undefined ? {} : { next: Number(next) }) }, 200);
  });

  app.openapi(versionsRoute, async (context) => {
    await requireAdmin(context, "viewer");
    const [nodes, edges] = await Promise.all([nodeVersions(deps), totalsOfEdges(deps)]);
    return context.json({
      edge: deps.version,
      edges: edges.rows.map(({ edgeId, version }) => ({ edge_id: edgeId, version })),
      silent_edges: [...edges.silent],
      nodes,
    }, 200);
  });

  app.openapi(drainRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    const { agent_id, tunnel_id, edge_id, deadline_seconds: seconds } = context.req.valid("json");
    const which = agent_id !== undefined
      ? { agentId: agent_id }
      : tunnel_id !== undefined
      ? { tunnelId: tunnel_id }
      : { edgeId: edge_id! };
    const deadlineMs = seconds === undefined ? defaultDrainMs : seconds * 1_000;
    const { edges, silent } = await drainAtEdges(deps, which, deadlineMs);
    const channels = edges.reduce((sum, edge) => sum + edge.channels, 0);
    const isWhole = silent.length === 0;
    await audit(deps, {
      actor,
      action: "admin.drain",
      subject: agent_id ?? tunnel_id ?? edge_id!,
      detail: {
        channels,
        edges: edges.filter((edge) => edge.channels > 0).map(({ edgeId }) => edgeId).join(" "),
        ...(isWhole ? {} : { silent_edges: silent.join(" ") }),
      },
    });
    return context.json({
      channels,
      edges: edges.map((edge) => ({ edge_id: edge.edgeId, channels: edge.channels })),
      silent_edges: [...silent],
    }, 200);
  });

  app.openapi(resumeRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    const { edge_id } = context.req.valid("json");
    const { silent } = await deps.askEdges({ kind: "resume" }, edge_id);
    await audit(deps, {
      actor,
      action: "admin.resume",
      subject: edge_id,
      detail: silent.length === 0 ? {} : { silent_edges: edge_id },
    });
    return context.json({ edge_id, silent_edges: [...silent] }, 200);
  });
}

/** Throws `request_invalid`. */
function cursorOf(text: string): Pick<RevokedThing, "kind" | "id"> {
  const [, kind, id] = /^(token|family|owner|ek|node|certificate|key):(.+)$/.exec(text) ?? [];
  if (id !== undefined) return { kind: kind as RevokedThing["kind"], id };
  throw new PosternError("request_invalid", "Cannot read request: after: is not what an answer said");
}

function withOffline({ total, online }: { readonly total: number; readonly online: number }) {
  return { total, online, offline: total - online };
}

function toldNode({ id, version, isOnline, firstSeenMs, lastSeenMs }: NodeView) {
  return {
    id,
    version,
    status: statusOf(isOnline),
    last_seen: instant(lastSeenMs),
    first_seen: instant(firstSeenMs),
  };
}

function toldService(deps: Pick<ControlDeps, "config">, service: ServiceView) {
  const { presence } = service;
  return {
    tunnel_id: service.tunnelId,
    name: service.name,
    public_hostname: hostnameOf(deps, service),
    owner: service.owner,
    anonymous: service.anonymous,
    protocol: service.protocol,
    ...(service.publicPort === undefined ? {} : { public_port: service.publicPort }),
    ...(service.requireTier === undefined ? {} : { require_tier: service.requireTier }),
    status: statusOf(presence.status === "online"),
    agents: presence.agents,
    tiers: [...presence.tiers],
    ...(presence.lastEchoAtMs === undefined ? {} : { last_echo_at: instant(presence.lastEchoAtMs) }),
    created_at: instant(service.createdAtMs),
  };
}

function toldChannel(channel: LiveChannel) {
  return {
    session_id: channel.sessionId,
    edge_id: channel.edgeId,
    tunnel_id: channel.tunnelId,
    agent_id: channel.agentId,
    tier: channel.tier,
    state: channel.state,
    status: statusOf(channel.isOnline),
    rtt_ms: channel.rttMs,
    since: instant(channel.sinceMs),
    ...(channel.lastEchoAtMs === undefined ? {} : { last_echo_at: instant(channel.lastEchoAtMs) }),
    ...(channel.attestation === undefined ? {} : { attestation: channel.attestation }),
    ...(channel.reauthDeadlineMs === undefined ? {} : { reauth_deadline: instant(channel.reauthDeadlineMs) }),
    streams: channel.streams,
    requests: channel.requests,
    bytes_in: channel.bytesIn,
    bytes_out: channel.bytesOut,
    remote: channel.remote,
  };
}

function toldEdge({ edgeId, version, isDrained, channels, online, streams }: ChannelTotals) {
  return { edge_id: edgeId, version, drained: isDrained, channels, online, streams };
}

function toldEntry({ atMs, detail, ...entry }: AuditEntry & { readonly id: number }) {
  return { ...entry, at: instant(atMs), detail: { ...detail } };
}

function statusOf(isOnline: boolean): "ONLINE" | "OFFLINE" {
  return isOnline ? "ONLINE" : "OFFLINE";
}
