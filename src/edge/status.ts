/** What the edge tells operators about itself. "online" is only said of a session on which an echo has come back. */
import type { ChannelState } from "../channel/mod.ts";
import type { Tier } from "../identity/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import type { RelayedChannel } from "./relay.ts";
import type { ReauthStatus } from "./reauthentication.ts";

export interface SessionStatus {
  readonly session_id: string;
  readonly tunnel_id: string;
  readonly agent_id: string;
  /** How the agent proves itself: with a TPM, or (weaker) with a key in a file. */
  readonly tier: Tier;
  /** What the agent proved last, and when it has to again. */
  readonly attestation: ReauthStatus | null;
  readonly state: ChannelState;
  readonly online: boolean;
  readonly hostnames: readonly string[];
  /** Hostnames whose TLS is passed on. */
  readonly tls_hostnames: readonly string[];
  readonly tcp_ports: readonly number[];
  readonly udp_ports: readonly number[];
  readonly rtt_ms: number;
  /** Wall-clock milliseconds since the Unix epoch; null before the first echo. */
  readonly last_echo_at: number | null;
  readonly since: number;
  readonly streams: number;
  readonly requests: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly remote: string;
}

/** A private channel that is relayed, as it looks from outside. */
export interface RelayedStatus {
  readonly channel_id: string;
  readonly tenant: string;
  readonly state: "reserved" | "waiting" | "paired";
  readonly client_remote: string | null;
  readonly server_remote: string | null;
  readonly idle_timeout_seconds: number;
  /** Wall-clock milliseconds since the Unix epoch. */
  readonly since: number;
  /** When a record passed last, or both halves were there. */
  readonly active_at: number;
  /** Bytes of records, sealed as they are. */
  readonly bytes_from_client: number;
  readonly bytes_from_server: number;
}

export interface EdgeStatus {
  readonly role: "edge";
  readonly edge_id: string;
  readonly version: string;
  readonly state: string;
  readonly at: number;
  readonly viewer_connections: number;
  readonly udp_flows: number;
  readonly sessions: readonly SessionStatus[];
  readonly relayed: readonly RelayedStatus[];
}

export function edgeStatus(facts: {
  edgeId: string;
  version: string;
  state: string;
  viewers: number;
  udpFlows: number;
  sessions: readonly AgentSession[];
  relayed: readonly RelayedChannel[];
  /** Monotonic and wall clock. */
  now: number;
  wall: number;
}): EdgeStatus {
  return {
    role: "edge",
    edge_id: facts.edgeId,
    version: facts.version,
    state: facts.state,
    at: facts.wall,
    viewer_connections: facts.viewers,
    udp_flows: facts.udpFlows,
    sessions: facts.sessions.map(sessionStatus),
    relayed: relayedStatus(facts.relayed, facts),
  };
}

export function relayedStatus(
  channels: readonly RelayedChannel[],
  { now, wall }: { readonly now: number; readonly wall: number },
): RelayedStatus[] {
  return channels.map((channel) => ({
    channel_id: channel.channelId,
    tenant: channel.tenant,
    state: channel.state,
    client_remote: channel.clientRemote ?? null,
    server_remote: channel.serverRemote ?? null,
    idle_timeout_seconds: channel.idleTimeoutMs / 1_000,
    since: Math.round(wall - now + channel.since),
    active_at: Math.round(wall - now + channel.activeAt),
    bytes_from_client: channel.bytesFromClient,
    bytes_from_server: channel.bytesFromServer,
  }));
}

function sessionStatus(session: AgentSession): SessionStatus {
  return {
    session_id: session.id,
    tunnel_id: session.tunnelId,
    agent_id: session.agentId,
    tier: session.claims.tier,
    attestation: session.reauthentication?.status() ?? null,
    state: session.channel.state,
    online: session.isOnline,
    hostnames: session.claims.hostnames,
    tls_hostnames: session.claims.tls_hostnames,
    tcp_ports: session.claims.tcp_ports,
    udp_ports: session.claims.udp_ports,
    rtt_ms: Math.round(session.channel.rttMs * 100) / 100,
    last_echo_at: session.lastEchoAt || null,
    since: session.since,
    streams: session.channel.openStreams,
    requests: session.requests,
    bytes_in: session.pump.bytesIn,
    bytes_out: session.pump.bytesOut,
    remote: session.remoteAddress,
  };
}
