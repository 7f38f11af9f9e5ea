/** Live channels as a table: of all edges, and which edge has each where there are several. */
import type { FC } from "hono/jsx";
import type { ControlDeps, LiveChannel } from "../../control/mod.ts";
import { formatCount, formatMs } from "../format.ts";
import { Badge, Bytes, type Column, Id, Note, Table, TierBadge, Time, type Tone } from "../parts.tsx";

/** Rows of a page that is about something else as well. */
export const shownChannels = 100;

/** Whether it has to be said which edge has a channel. */
export function hasOtherEdges({ edges }: Pick<ControlDeps, "edges">): boolean {
  return edges().length > 1;
}

interface ChannelsProps {
  readonly channels: readonly LiveChannel[];
  readonly nowMs: number;
  /** Names of services by tunnel id; absent: all are of one service. */
  readonly names?: ReadonlyMap<string, string>;
  /** Edges in service, more than one: then each channel's is named. */
  readonly hasOtherEdges: boolean;
}

export const Channels: FC<ChannelsProps> = ({ channels, nowMs, names, hasOtherEdges }) => {
  const columns: Column<LiveChannel>[] = [
    {
      title: "Agent",
      cell: ({ agentId, remote }) => (
        <>
          <Id id={agentId} />
          <span class="sub">from {remote}</span>
        </>
      ),
    },
    ...(names === undefined ? [] : [{
      title: "Service",
      cell: ({ tunnelId }: LiveChannel) => (
        <a href={`/dashboard/services/${encodeURIComponent(tunnelId)}`}>{names.get(tunnelId) ?? tunnelId}</a>
      ),
    }]),
    ...(hasOtherEdges ? [{ title: "Edge", cell: ({ edgeId }: LiveChannel) => <Id id={edgeId} /> }] : []),
    { title: "State", cell: (channel) => <Badge tone={toneOf(channel)}>{wordOf(channel)}</Badge> },
    { title: "Identity", cell: ({ tier }) => <TierBadge tier={tier} /> },
    { title: "Attested", cell: (channel) => <Attested channel={channel} nowMs={nowMs} /> },
    { title: "RTT", isNumber: true, cell: ({ rttMs }) => rttMs > 0 ? formatMs(rttMs) : "not yet" },
    {
      title: "Requests",
      isNumber: true,
      cell: ({ requests, streams }) => (
        <>
          {formatCount(requests)}
          <span class="sub">{formatCount(streams)} streams</span>
        </>
      ),
    },
    {
      title: "Traffic",
      isNumber: true,
      cell: ({ bytesIn, bytesOut }) => (
        <>
          <Bytes bytes={bytesIn} /> in
          <span class="sub">
            <Bytes bytes={bytesOut} /> out
          </span>
        </>
      ),
    },
    { title: "Since", cell: ({ sinceMs }) => <Time ms={sinceMs} nowMs={nowMs} /> },
  ];
  return <Table caption="Live channels" columns={columns} rows={channels} empty="No channel stands now." />;
};

/** What is not told, because an edge did not answer. */
export const SilentEdges: FC<{ silent: readonly string[] }> = ({ silent }) =>
  silent.length === 0 ? null : (
    <Note tone="warn">
      No answer came from {silent.join(", ")}: channels there are not shown.
    </Note>
  );

const Attested: FC<{ channel: LiveChannel; nowMs: number }> = ({ channel, nowMs }) => {
  const { attestedAtMs, reauthDeadlineMs, attestation } = channel;
  return (
    <>
      <Time ms={attestedAtMs} nowMs={nowMs} absent="at the opening" />
      <span class="sub">
        {attestation === "asked"
          ? <Badge tone="warn">asked now</Badge>
          : attestation === "deferred"
          ? <Badge tone="warn">put off</Badge>
          : null}
        {reauthDeadlineMs === undefined ? "is not asked again" : (
          <>
            deadline <Time ms={reauthDeadlineMs} nowMs={nowMs} />
          </>
        )}
      </span>
    </>
  );
};

function wordOf({ isOnline, state }: LiveChannel): string {
  return isOnline ? "online" : state === "established" ? "no echo yet" : state;
}

function toneOf({ isOnline }: LiveChannel): Tone {
  return isOnline ? "good" : "warn";
}
