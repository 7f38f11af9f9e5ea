/** What control is told of the channels that an edge has. */
import { type DrainTarget, type LiveChannel, type Presence } from "./control/mod.ts";
import { type EdgePlane, type SessionStatus } from "./edge/mod.ts";
import { tierSchema } from "./identity/mod.ts";
import type { Clock, ServedTunnel } from "./ports/mod.ts";

export function presenceOf(edge: EdgePlane, tunnelId: string): Presence {
  const online = edge.sessions.ofTunnel(tunnelId).filter((session) => session.isOnline);
  const lastEchoAtMs = Math.max(0, ...online.map((session) => session.lastEchoAt));
  return {
    status: online.length > 0 ? "online" : "offline",
    agents: new Set(online.map((session) => session.agentId)).size,
    tiers: tierSchema.options.filter((tier) => online.some(({ claims }) => claims.tier === tier)),
    ...(lastEchoAtMs > 0 ? { lastEchoAtMs } : {}),
  };
}

export function servedTunnels(edge: EdgePlane): ServedTunnel[] {
  const online = edge.sessions.all.filter((session) => session.isOnline);
  return [...Map.groupBy(online, ({ tunnelId }) => tunnelId)].map(([tunnelId, sessions]) => ({
    tunnelId,
    agents: new Set(sessions.map(({ agentId }) => agentId)).size,
    tiers: tierSchema.options.filter((tier) => sessions.some(({ claims }) => claims.tier === tier)),
  }));
}

export function liveChannel(edgeId: string, session: SessionStatus): LiveChannel {
  const { attestation } = session;
  return {
    sessionId: session.session_id,
    edgeId,
    tunnelId: session.tunnel_id,
    agentId: session.agent_id,
    tier: session.tier,
    state: session.state,
    isOnline: session.online,
    rttMs: session.rtt_ms,
    sinceMs: session.since,
    lastEchoAtMs: session.last_echo_at ?? undefined,
    reauthDeadlineMs: attestation?.reauth_deadline ?? undefined,
    attestation: attestation?.state,
    attestedAtMs: attestation?.attested_at,
    streams: session.streams,
    requests: session.requests,
    bytesIn: session.bytes_in,
    bytesOut: session.bytes_out,
    remote: session.remote,
  };
}

export function drainChannels(edge: EdgePlane, clock: Clock, which: DrainTarget, deadlineMs: number): number {
  const meant = edge.sessions.all.filter((session) =>
    "agentId" in which ? session.agentId === which.agentId : session.tunnelId === which.tunnelId
  );
  for (const { channel } of meant) channel.drain("draining", deadlineMs, clock.now());
  return meant.length;
}
