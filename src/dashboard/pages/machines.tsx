/** Machines that are enrolled by their TPM. */
import { agentsOnline, machinePage, stateOf } from "../../control/mod.ts";
import type { MachineRecord } from "../../ports/mod.ts";
import { doneParts } from "../done.tsx";
import { formatCount } from "../format.ts";
import { Badge, type Column, Id, type Markup, Pages, Panel, Table, Time } from "../parts.tsx";
import { live, type View, type Visit } from "../visit.ts";

const rowsPerPage = 100;

export async function machines({ deps: { control }, nowMs, query }: Visit): Promise<View> {
  const after = query.get("after") ?? undefined;
  const [page, counts] = await Promise.all([
    machinePage(control, rowsPerPage, after),
    control.store.countMachines(),
  ]);
  const [first, last] = [page.machines.at(0), page.machines.at(-1)];
  const online = first === undefined ? new Set() : await agentsOnline(control, first.agentId, last!.agentId);
  const columns: Column<MachineRecord>[] = [
    {
      title: "Machine",
      cell: ({ agentId }) => <Id id={agentId} href={`/dashboard/machines/${agentId}`} />,
    },
    {
      title: "State",
      cell: ({ state, agentId }) =>
        state === "revoked"
          ? <Badge tone="bad">revoked</Badge>
          : online.has(agentId)
          ? <Badge tone="good">online</Badge>
          : <Badge tone="plain">enrolled</Badge>,
    },
    { title: "Labels", cell: ({ labels }) => <Labels labels={labels} /> },
    { title: "Last quote", cell: (machine) => <LastQuote machine={machine} nowMs={nowMs} /> },
    { title: "EK", cell: ({ ekSha256 }) => <Id id={ekSha256} /> },
    { title: "Enrolled", cell: ({ enrolledAtMs }) => <Time ms={enrolledAtMs} nowMs={nowMs} /> },
  ];
  return {
    title: "Machines",
    hint: `${formatCount(counts.active)} active, ${formatCount(counts.revoked)} revoked`,
    states: Object.fromEntries(page.machines.map(({ agentId, state }) => [`machine ${agentId}`, state])),
    parts: [
      ...doneParts(query),
      live(
        "machines",
        <Panel id="machines" title="By TPM">
          <Table
            caption="Enrolled machines"
            columns={columns}
            rows={page.machines}
            empty={
              <>
                No machine is enrolled. <a href="/dashboard/tokens">Create an enrollment token</a> for one.
              </>
            }
          />
          <Pages
            label="More machines"
            first={after === undefined ? undefined : "/dashboard/machines"}
            next={page.next && `/dashboard/machines?after=${encodeURIComponent(page.next)}`}
            nextText="Further machines"
          />
        </Panel>,
      ),
    ],
  };
}

export function Labels({ labels }: { labels: readonly string[] }): Markup {
  if (labels.length === 0) return <span class="quiet">none</span>;
  return (
    <span class="badges">
      {labels.map((label) => <Badge tone="plain">{label}</Badge>)}
    </span>
  );
}

export function LastQuote({ machine, nowMs }: { machine: MachineRecord; nowMs: number }): Markup {
  const state = stateOf(machine);
  if (state === undefined) return <span class="quiet">none yet</span>;
  const { result, at, policy } = state.verdict;
  return (
    <>
      <Badge tone={result === "ok" ? "good" : "bad"}>{result === "ok" ? "accepted" : result}</Badge>
      <span class="sub">
        <Time ms={at} nowMs={nowMs} />, {policy}
      </span>
    </>
  );
}
