/** What control is told of the channels that an edge has. */
import {
  type DrainTarget,
  type EdgeQuestion,
  type LiveChannel,
  lookedUp,
  type Presence,
} from "./control/mod.ts";
import type { AgentSession, EdgePlane, SessionStatus } from "./edge/mod.ts";
import type { EdgeDirectory } from "./edge_directory.ts";
import { tierSchema } from "./identity/mod.ts";
import type { Clock, ServedTunnel } from "./ports/mod.ts";
import { version } from "./version.ts";

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

function liveChannel(edgeId: string, session: SessionStatus): LiveChannel {
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

/** What this edge answers when it is asked, by its own control or by another edge. */
export async function answerOf(
  question: EdgeQuestion,
  { edge, edgeId, clock, directory }: {
    readonly edge: EdgePlane;
    readonly edgeId: string;
    readonly clock: Clock;
    readonly directory: Pick<EdgeDirectory, "isDrained" | "drain">;
  },
): Promise<readonly unknown[]> {
  if (question.kind === "resume") {
    await directory.drain(false);
    return [];
  }
  if (question.kind === "drain") {
    // Before its channels end: agents ask at once where to go.
    if ("edgeId" in question.which) await directory.drain(true);
    return [drainChannels(edge, clock, question.which, question.deadlineMs)];
  }
  const channels = (await edge.status()).sessions.map((session) => liveChannel(edgeId, session));
  return lookedUp(question, channels, { edgeId, version, isDrained: directory.isDrained });
}

function drainChannels(edge: EdgePlane, clock: Clock, which: DrainTarget, deadlineMs: number): number {
  const isMeant = ({ agentId, tunnelId }: AgentSession) =>
    "agentId" in which ? agentId === which.agentId : "tunnelId" in which ? tunnelId === which.tunnelId : true;
  const meant = edge.sessions.all.filter(isMeant);
  for (const { channel } of meant) channel.drain("draining", deadlineMs, clock.now());
  return meant.length;
}
