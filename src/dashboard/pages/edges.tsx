/** Edges that share the database: what each has now, and taking agents off one of them. */
import { type ChannelTotals, totalsOfEdges } from "../../control/mod.ts";
import { doneParts } from "../done.tsx";
import { formatCount } from "../format.ts";
import { ActionForm, Badge, Bytes, type Column, Id, Note, Panel, Table } from "../parts.tsx";
import { live, still, type View, type Visit } from "../visit.ts";
import { SilentEdges } from "./channels.tsx";

export async function edges({ deps: { control }, query, csrf, mayOperate }: Visit): Promise<View> {
  const { rows, silent } = await totalsOfEdges(control);
  const sorted = rows.toSorted((a, b) => a.edgeId < b.edgeId ? -1 : 1);
  const columns: Column<ChannelTotals>[] = [
    { title: "Edge", cell: ({ edgeId }) => <Id id={edgeId} /> },
    {
      title: "State",
      cell: ({ isDrained }) =>
        isDrained ? <Badge tone="warn">drained</Badge> : <Badge tone="good">in service</Badge>,
    },
    { title: "Version", cell: ({ version }) => version },
    {
      title: "Channels",
      isNumber: true,
      cell: ({ channels, online }) => (
        <>
          {formatCount(channels)}
          <span class="sub">{formatCount(online)} online</span>
        </>
      ),
    },
    { title: "Services", isNumber: true, cell: ({ services }) => formatCount(services) },
    { title: "Agents", isNumber: true, cell: ({ agents }) => formatCount(agents) },
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
  ];
  return {
    title: "Edges",
    hint: "that share the database",
    states: Object.fromEntries(
      sorted.map(({ edgeId, isDrained }) => [`edge ${edgeId}`, isDrained ? "drained" : "in service"]),
    ),
    parts: [
      ...doneParts(query),
      live(
        "edges",
        <Panel id="edges" title="Edges" hint="numbers are of the channels that stand now">
          <SilentEdges silent={silent} />
          <Table caption="Edges" columns={columns} rows={sorted} empty="No edge answers." />
        </Panel>,
      ),
      ...(mayOperate ? [still("actions", <Actions edges={sorted} csrf={csrf} />)] : []),
    ],
  };
}

function Actions({ edges, csrf }: { edges: readonly ChannelTotals[]; csrf: string }) {
  return (
    <Panel id="actions" title="Take an edge out of service">
      <div class="body">
        <p>
          Its channels end in order: what is open goes on for 30 seconds. Agents go to another edge, and none
          is sent to this one until it is resumed or restarted.
        </p>
        {edges.every(({ isDrained }) => isDrained)
          ? <Note tone="warn">All edges are drained: agents are sent to them all the same.</Note>
          : null}
        {edges.map(({ edgeId, isDrained }) => (
          <ActionForm
            action={`/dashboard/edges/${isDrained ? "resume" : "drain"}`}
            csrf={csrf}
            label={`${isDrained ? "Resume" : "Drain"} ${edgeId}`}
          >
            <input type="hidden" name="edge_id" value={edgeId} />
            <button type="submit">{isDrained ? "Resume" : "Drain"} {edgeId}</button>
          </ActionForm>
        ))}
      </div>
    </Panel>
  );
}
