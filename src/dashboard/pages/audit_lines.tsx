/** Lines of the audit log as a table. */
import type { FC } from "hono/jsx";
import type { AuditEntry } from "../../ports/mod.ts";
import { Badge, type Column, Id, Table, Time } from "../parts.tsx";

export type ListedLine = AuditEntry & { readonly id: number };

export const AuditLines: FC<{ lines: readonly ListedLine[]; nowMs: number; isShort?: boolean }> = (
  { lines, nowMs, isShort },
) => {
  const columns: Column<ListedLine>[] = [
    {
      title: "Action",
      cell: ({ id, action }) => (
        <>
          {action}
          {isShort ? null : <span class="sub">line {id}</span>}
        </>
      ),
    },
    { title: "When", cell: ({ atMs }) => <Time ms={atMs} nowMs={nowMs} /> },
    { title: "Who", cell: ({ actor }) => <Id id={actor} /> },
    { title: "On what", cell: ({ subject }) => <Id id={subject} /> },
    {
      title: "Outcome",
      cell: ({ outcome }) => <Badge tone={outcome === "ok" ? "good" : "bad"}>{outcome}</Badge>,
    },
  ];
  if (!isShort) columns.push({ title: "Detail", cell: ({ detail }) => <Detail detail={detail} /> });
  return (
    <Table
      caption="Lines of the audit log, the newest first"
      columns={columns}
      rows={lines}
      empty="No line is like that."
    />
  );
};

const Detail: FC<{ detail: AuditEntry["detail"] }> = ({ detail }) => (
  <span class="wrap mono">
    {Object.entries(detail).map(([name, value]) => `${name}=${value}`).join(" ")}
  </span>
);
