/** What there is, and what somebody should look at. */
import type { FC } from "hono/jsx";
import { channelsOfEdges, type ChannelTotals, overviewOf } from "../../control/mod.ts";
import { type Alarm, alarmsOf } from "../alarms.ts";
import { formatBytes, formatCount } from "../format.ts";
import { Badge, type Markup, Panel, Time } from "../parts.tsx";
import { live, type View, type Visit } from "../visit.ts";
import { AuditLines } from "./audit_lines.tsx";
import { SilentEdges } from "./channels.tsx";

/** Lines that alarms are looked for in, and that are shown. */
const readLines = 400;
const shownLines = 8;
/** Channels that alarms are looked for in. */
const readChannels = 50;
/** Attestations that are looked at. */
const readAttestations = 100;

interface Total {
  readonly name: string;
  readonly value: string;
  readonly hint: Markup;
}

export async function overview({ deps: { control }, nowMs }: Visit): Promise<View> {
  const { store } = control;
  const [totals, unproven, services, machines, attestations, audit] = await Promise.all([
    overviewOf(control),
    channelsOfEdges(control, { limit: readChannels, unproven: true }),
    store.countTunnels(),
    store.countMachines(),
    store.attestations(readAttestations),
    store.auditEntries(readLines),
  ]);
  const { rows: edges, silent } = totals.edges;
  const sum = (of: "streams" | "requests" | "bytesIn" | "bytesOut" | "services" | "agents" | "tpmAgents") =>
    edges.reduce((total, edge) => total + edge[of], 0);
  const agents = sum("agents");
  const tpm = sum("tpmAgents");
  const rows: Total[] = [
    { name: "Services", value: formatCount(services), hint: servedHint(edges) },
    {
      name: "Agents online",
      value: formatCount(agents),
      hint: `${formatCount(tpm)} by TPM, ${formatCount(agents - tpm)} by a key in a file`,
    },
    {
      name: "Machines",
      value: formatCount(machines.active),
      hint: machines.revoked === 0 ? "none revoked" : `and ${formatCount(machines.revoked)} revoked`,
    },
    {
      name: "Channels",
      value: formatCount(totals.channels.total),
      hint: `${formatCount(totals.channels.online)} online, ${formatCount(sum("streams"))} streams open`,
    },
    ...ofNodes("Connectors", totals.connectors),
    ...ofNodes("Tunnelers", totals.tunnelers),
    {
      name: "Requests",
      value: formatCount(sum("requests")),
      hint: `${formatBytes(sum("bytesOut"))} to agents, ${formatBytes(sum("bytesIn"))} from them`,
    },
  ];
  const alarms = alarmsOf({ nowMs, channels: unproven.rows, attestations, audit });
  return {
    title: "Overview",
    parts: [
      ...(silent.length === 0 ? [] : [live("silent", <SilentEdges silent={silent} />)]),
      live("totals", <Totals rows={rows} />),
      live(
        "alarms",
        <Panel id="alarms" title="Alarms" hint="of the last 24 hours">
          <Alarms alarms={alarms} nowMs={nowMs} />
        </Panel>,
      ),
      live(
        "activity",
        <Panel id="activity" title="Latest in the audit log" hint={<a href="/dashboard/audit">All lines</a>}>
          <AuditLines lines={audit.slice(0, shownLines)} nowMs={nowMs} isShort />
        </Panel>,
      ),
    ],
    states: { alarms: alarms.length === 1 ? "1" : String(alarms.length) },
  };
}

/** A service may be at several edges: it is not known how many of those that each serves are the same. */
function servedHint(edges: readonly ChannelTotals[]): string {
  return edges.length === 1
    ? `${formatCount(edges[0].services)} online`
    : edges.map(({ edgeId, services }) => `${formatCount(services)} online at ${edgeId}`).join(", ");
}

/** Where there are none, nothing is said of them. */
function ofNodes(
  name: string,
  { total, online }: { readonly total: number; readonly online: number },
): Total[] {
  if (total === 0) return [];
  return [{ name, value: formatCount(online), hint: `online, ${formatCount(total - online)} offline` }];
}

const Totals: FC<{ rows: readonly Total[] }> = ({ rows }) => (
  <dl class="totals">
    {rows.map(({ name, value, hint }) => (
      <div>
        <dt>{name}</dt>
        <dd>{value}</dd>
        <dd>{hint}</dd>
      </div>
    ))}
  </dl>
);

const Alarms: FC<{ alarms: readonly Alarm[]; nowMs: number }> = ({ alarms, nowMs }) =>
  alarms.length === 0
    ? <p class="empty">Nothing: no proof failed, and nothing was refused.</p>
    : (
      <ul class="alarms">
        {alarms.map(({ tone, title, text, atMs, href }) => (
          <li>
            <Badge tone={tone}>{title}</Badge>
            <span class="text">
              <a href={href}>{text}</a>
            </span>
            <span class="quiet">
              <Time ms={atMs} nowMs={nowMs} />
            </span>
          </li>
        ))}
      </ul>
    );
