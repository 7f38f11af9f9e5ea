/** Connectors and tunnelers: nodes that take part in mutual TLS, and whether they are there. */
import { nodePage, type NodeView } from "../../control/mod.ts";
import { formatCount } from "../format.ts";
import { type Column, Id, Online, Pages, Panel, Table, Time } from "../parts.tsx";
import { live, type Loader, type Visit } from "../visit.ts";

const rowsPerPage = 100;

const words = {
  connector: { title: "Connectors", path: "/dashboard/connectors", empty: "No connector was heard yet." },
  tunneler: { title: "Tunnelers", path: "/dashboard/tunnelers", empty: "No tunneler was heard yet." },
} as const;

export const nodes =
  (role: keyof typeof words): Loader => async ({ deps: { control }, nowMs, query }: Visit) => {
    const after = query.get("after") ?? undefined;
    const { title, path, empty } = words[role];
    const { rows, next } = await nodePage(control, role, rowsPerPage, after);
    const columns: Column<NodeView>[] = [
      { title: "Id", cell: ({ id }) => <Id id={id} /> },
      { title: "State", cell: ({ isOnline }) => <Online isOnline={isOnline} /> },
      role === "connector"
        ? {
          title: "Private address",
          cell: ({ privateIp }) => privateIp ?? <span class="quiet">not told</span>,
        }
        : {
          title: "Through",
          cell: ({ connectorId }) => connectorId ?? <span class="quiet">not known</span>,
        },
      { title: "Version", cell: ({ version }) => version },
      { title: "Last heard", cell: ({ lastSeenMs }) => <Time ms={lastSeenMs} nowMs={nowMs} /> },
      { title: "First heard", cell: ({ firstSeenMs }) => <Time ms={firstSeenMs} nowMs={nowMs} /> },
    ];
    const online = rows.filter(({ isOnline }) => isOnline).length;
    return {
      title,
      hint: `${formatCount(online)} of ${formatCount(rows.length)} online on this page`,
      states: Object.fromEntries(
        rows.map(({ id, isOnline }) => [`${role} ${id}`, isOnline ? "online" : "offline"]),
      ),
      parts: [live(
        "nodes",
        <Panel id="nodes" title={title} hint="online: an echo came back within 30 seconds">
          <Table caption={title} columns={columns} rows={rows} empty={empty} />
          <Pages
            label={`More ${title.toLowerCase()}`}
            first={after === undefined ? undefined : path}
            next={next && `${path}?after=${encodeURIComponent(next)}`}
            nextText={`Further ${title.toLowerCase()}`}
          />
        </Panel>,
      )],
    };
  };
