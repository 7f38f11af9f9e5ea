/** The audit log, backwards, with what is looked for; and whether its chain holds. */
import type { FC } from "hono/jsx";
import type { AuditStore } from "../../ports/mod.ts";
import type { AuditVerdict } from "../audit_check.ts";
import { formatCount } from "../format.ts";
import { ActionForm, Badge, Facts, Field, Pages, Panel, Time } from "../parts.tsx";
import { still, type View, type Visit } from "../visit.ts";
import { AuditLines, type ListedLine } from "./audit_lines.tsx";

const linesPerPage = 50;
/** Lines that are looked through for one page, and how many at once. */
const maxSearched = 5_000;
const linesPerRead = 1_000;

const filterNames = ["actor", "action", "subject", "outcome"] as const;
type Filter = Readonly<Record<typeof filterNames[number], string>>;

interface Found {
  readonly lines: readonly ListedLine[];
  /** Where to go on: lines before this one were not looked at. */
  readonly before?: number;
}

export async function audit(visit: Visit): Promise<View> {
  const { deps: { control }, query, nowMs, csrf, auditCheck } = visit;
  const filter = Object.fromEntries(
    filterNames.map((name) => [name, (query.get(name) ?? "").trim()]),
  ) as Filter;
  const before = Number(query.get("before")) || undefined;
  const [found, head] = await Promise.all([
    search(control.store, filter, before),
    control.store.auditHead(),
  ]);
  const link = (extra: Readonly<Record<string, string>>) => {
    const kept = Object.entries({ ...filter, ...extra }).filter(([, value]) => value !== "");
    return `/dashboard/audit?${new URLSearchParams(kept)}`;
  };
  const isFiltered = Object.values(filter).some((value) => value !== "");
  return {
    title: "Audit log",
    hint: head === undefined ? "is empty" : `${formatCount(head.id)} lines so far`,
    parts: [
      still(
        "chain",
        <Panel id="chain" title="Chain" hint="each line vouches for all lines before it">
          <div class="body">
            <Verdict verdict={auditCheck.verdict} nowMs={nowMs} />
            <ActionForm action="/dashboard/audit/verify" csrf={csrf}>
              <button type="submit">Verify every line now</button>
            </ActionForm>
          </div>
        </Panel>,
      ),
      still(
        "lines",
        <Panel id="lines" title="Lines" hint="the newest first">
          <div class="body">
            <form method="get" action="/dashboard/audit" role="search" aria-label="Audit log">
              <div class="row">
                {filterNames.map((name) => (
                  <Field id={`filter-${name}`} label={filterLabels[name]} isShort>
                    <input id={`filter-${name}`} name={name} value={filter[name]} maxlength={200} />
                  </Field>
                ))}
                <button type="submit">Look for</button>
                {isFiltered ? <a class="button" href="/dashboard/audit">Show all</a> : null}
              </div>
            </form>
          </div>
          <AuditLines lines={found.lines} nowMs={nowMs} />
          <Pages
            label="More lines"
            first={before === undefined ? undefined : link({})}
            next={found.before === undefined ? undefined : link({ before: String(found.before) })}
            nextText={found.lines.length < linesPerPage && isFiltered
              ? `Look further, before line ${found.before}`
              : "Older lines"}
          />
        </Panel>,
      ),
    ],
  };
}

const filterLabels: Filter = { actor: "Who", action: "Action", subject: "On what", outcome: "Outcome" };

/** Lines in which each part that was given occurs. */
async function search(store: AuditStore, filter: Filter, before: number | undefined): Promise<Found> {
  const lines: ListedLine[] = [];
  let from = before;
  for (let searched = 0; searched < maxSearched;) {
    const read = await store.auditEntries(linesPerRead, from);
    for (const line of read) {
      if (!filterNames.every((name) => line[name].includes(filter[name]))) continue;
      lines.push(line);
      if (lines.length === linesPerPage) return line.id > 1 ? { lines, before: line.id } : { lines };
    }
    if (read.length < linesPerRead) return { lines };
    searched += read.length;
    from = read[read.length - 1].id;
  }
  return { lines, before: from };
}

const faults = {
  edited: "this line is not as it was written",
  gap: "lines before this one are missing, or it stands in another place",
  checkpoint: "it is not the line that was noted",
  cut_off: "lines from here on are missing",
} as const;

const Verdict: FC<{ verdict: AuditVerdict | undefined; nowMs: number }> = ({ verdict, nowMs }) => {
  if (verdict === undefined) {
    return (
      <p>
        <Badge tone="plain">not verified</Badge> since this edge was started.
      </p>
    );
  }
  const { found, atMs } = verdict;
  if ("what" in found) {
    return (
      <p role="alert">
        <Badge tone="bad">broken at line {found.id}</Badge> {faults[found.what]}, found{" "}
        <Time ms={atMs} nowMs={nowMs} />.
      </p>
    );
  }
  return (
    <>
      <p>
        <Badge tone="good">whole</Badge> verified <Time ms={atMs} nowMs={nowMs} />
      </p>
      <Facts
        facts={[
          [
            "Lines",
            `${found.firstId} to ${found.lastId}${found.isShortened ? "; older ones were let go" : ""}`,
          ],
          ["Hash of the last", <code>{found.head}</code>],
        ]}
      />
    </>
  );
};
