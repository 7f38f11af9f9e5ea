/** An edge's status as lines of text. Pure. */
import type { EdgeStatus, RelayedStatus, SessionStatus } from "../../src/edge/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import { bytesText, elapsedText, millisecondsText, tierText } from "./amount.ts";

/** Most sessions that are listed; the rest is counted. */
const maxListed = 50;
/** Most attestations that failed and are listed: the newest. */
const maxFailed = 5;

/** What `/status` tells of an attestation, as far as it is shown. */
interface ToldAttestation {
  readonly tunnel_id: string;
  readonly agent_id: string;
  readonly state: string;
  readonly code: string | null;
  /** Unix milliseconds. */
  readonly changed_at: number;
}

/** An edge of before tells neither attestations nor relayed channels. */
export type ToldEdgeStatus = Omit<EdgeStatus, "relayed"> & {
  readonly attestations?: readonly ToldAttestation[];
  readonly relayed?: readonly RelayedStatus[];
};

/** Whether an admin page told what an edge of this version tells. */
export function isEdgeStatus(status: object): status is ToldEdgeStatus {
  const facts = status as Partial<ToldEdgeStatus>;
  return facts.role === "edge" && typeof facts.edge_id === "string" && Array.isArray(facts.sessions) &&
    facts.sessions.every((session) =>
      typeof session === "object" && session !== null && Array.isArray(session.hostnames) &&
      Array.isArray(session.tls_hostnames) && Array.isArray(session.tcp_ports)
    ) &&
    (facts.attestations === undefined || Array.isArray(facts.attestations)) &&
    (facts.relayed === undefined || Array.isArray(facts.relayed));
}

/** The lines, without line breaks; none is longer than `columns`, and all are printable. */
export function renderEdgeStatus(status: ToldEdgeStatus, columns: number): string[] {
  const { edge_id, version, state, viewer_connections: connections, sessions, attestations = [] } = status;
  const lines = [
    `${edge_id}  ${state}  (version ${version}, ${connections} open connections)`,
    "",
    ...sessions.slice(0, maxListed).flatMap(sessionLines),
  ];
  if (sessions.length === 0) lines.push("no agent is connected");
  if (sessions.length > maxListed) lines.push(`and ${sessions.length - maxListed} more`);
  const { relayed = [] } = status;
  if (relayed.length > 0) lines.push("", "private channels");
  lines.push(...relayed.slice(0, maxListed).flatMap((channel) => relayedLines(channel, status.at)));
  if (relayed.length > maxListed) lines.push(`and ${relayed.length - maxListed} more`);
  const failed = attestations.filter((one, at) => {
    const isNewest = !attestations.slice(0, at).some((newer) =>
      newer.tunnel_id === one.tunnel_id && newer.agent_id === one.agent_id
    );
    return isNewest && (one.state === "failed" || one.state === "lapsed");
  });
  if (failed.length > 0) lines.push("", "not proved again");
  lines.push(...failed.slice(0, maxFailed).map((one) => failureLine(one, status.at)));
  return lines.map((line) => escapeControls(line).slice(0, columns));
}

function failureLine({ agent_id, state, code, changed_at }: ToldAttestation, at: number): string {
  const why = code === null ? state : `${state}: ${code}`;
  return `     ${agent_id}  ${why}, ${elapsedText(at - changed_at)} ago`;
}

function relayedLines(channel: RelayedStatus, at: number): string[] {
  const { client_remote: client, server_remote: server } = channel;
  return [
    `     ${channel.channel_id}  ${channel.state}, of ${channel.tenant}, last record ${
      elapsedText(at - channel.active_at)
    } ago`,
    `     ${client ?? "no client"} -> ${bytesText(channel.bytes_from_client)}   ${server ?? "no server"} -> ${
      bytesText(channel.bytes_from_server)
    }`,
  ];
}

function sessionLines(session: SessionStatus): string[] {
  const names = [
    ...session.hostnames,
    ...session.tls_hostnames.map((name) => `tls ${name}`),
    ...session.tcp_ports.map((port) => `tcp port ${port}`),
    ...(session.udp_ports ?? []).map((port) => `udp port ${port}`), // an older edge does not tell them
  ].join(", ");
  return [
    `${names}  ${session.online ? "online" : session.state}`,
    `     <- ${session.agent_id} at ${session.remote}, ${millisecondsText(session.rtt_ms)}`,
    `     requests ${session.requests}   in ${bytesText(session.bytes_in)}   out ${
      bytesText(session.bytes_out)
    }   tier ${tierText(session.tier)}`,
  ];
}
