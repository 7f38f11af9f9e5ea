/** One policy: its versions, what one changed against another, and who would pass by what they showed last. */
import type { FC } from "hono/jsx";
import { applyPolicy, type MachineOutcome, type PolicyPlan, policyVersions } from "../../control/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type PcrPolicy, type PolicyChange, policyChanges, versionOf } from "../../policy/mod.ts";
import { formatCount } from "../format.ts";
import { type Frame, Page } from "../layout.tsx";
import {
  ActionForm,
  Badge,
  type Column,
  Field,
  Id,
  Instant,
  Panel,
  Table,
  Time,
  type Tone,
} from "../parts.tsx";
import { type DashboardDeps, live, still, type View, type Visit } from "../visit.ts";
import { Labels } from "./machines.tsx";

/** Machines that one page names; those that fail come first. */
const maxNamed = 200;

/** Throws `policy_not_found`. */
export async function policy({ deps: { control }, admin, nowMs, params, query }: Visit): Promise<View> {
  const versions = await policyVersions(control, params.name);
  const of = (name: string) =>
    versions.find(({ policy }) => policy.version === Number(query.get(name)))?.policy;
  const newest = versions[0].policy;
  const to = of("to") ?? newest;
  const from = of("from") ?? versions.find(({ policy }) => policy.version < to.version)?.policy;
  const machines = await outcomesOf({ control, admin }, { ...to, version: newest.version + 1 });
  const path = `/dashboard/policies/${newest.name}`;
  const columns: Column<typeof versions[number]>[] = [
    { title: "Version", cell: ({ policy }) => <a href={`${path}?to=${policy.version}`}>{policy.version}</a> },
    { title: "Applied", cell: ({ appliedAtMs }) => <Time ms={appliedAtMs} nowMs={nowMs} /> },
    { title: "By", cell: ({ appliedBy }) => <Id id={appliedBy} /> },
    {
      title: "Version before",
      cell: ({ overlapUntilMs }) =>
        overlapUntilMs > nowMs
          ? (
            <>
              accepted until <Instant ms={overlapUntilMs} />
            </>
          )
          : "not accepted",
    },
  ];
  const choice = (id: string, label: string, chosen: PcrPolicy | undefined) => (
    <Field id={id} label={label} isShort>
      <select id={id} name={id}>
        {versions.map(({ policy: { version } }) => (
          <option value={version} selected={version === chosen?.version}>{`version ${version}`}</option>
        ))}
      </select>
    </Field>
  );
  return {
    title: newest.name,
    hint: newest.description ?? "PCR policy",
    parts: [
      live(
        "versions",
        <Panel id="versions" title="Versions" hint="that are kept">
          <Table caption="Versions" columns={columns} rows={versions} empty="None." />
        </Panel>,
      ),
      still(
        "changes",
        <Panel
          id="changes"
          title={from === undefined
            ? `Version ${to.version}`
            : `Version ${to.version} against ${from.version}`}
        >
          {versions.length < 2 ? null : (
            <div class="body">
              <form method="get" action={path} aria-label="Compare versions">
                <div class="row">
                  {choice("from", "Against", from)}
                  {choice("to", "Version", to)}
                  <button type="submit">Compare</button>
                </div>
              </form>
            </div>
          )}
          <Changes changes={policyChanges(from, to)} />
        </Panel>,
      ),
      live(
        "outcomes",
        <Panel
          id="outcomes"
          title={`Who would pass version ${to.version}`}
          hint="by what each machine showed last"
        >
          {typeof machines === "string" ? <p class="empty">{machines}</p> : <Outcomes machines={machines} />}
        </Panel>,
      ),
    ],
  };
}

/** What a version would mean if it came next; why it cannot, where another policy is in its place by now. */
async function outcomesOf(
  { control, admin }: Pick<DashboardDeps, "control"> & Pick<Visit, "admin">,
  document: PcrPolicy,
): Promise<readonly MachineOutcome[] | string> {
  try {
    const request = { document, overlapMs: 0, dryRun: true };
    return (await applyPolicy(control, { sub: admin.actor }, request)).machines;
  } catch (error) {
    if (error instanceof PosternError && error.code === "policy_conflict") return error.message;
    throw error;
  }
}

const Changes: FC<{ changes: readonly PolicyChange[] }> = ({ changes }) => {
  const columns: Column<PolicyChange>[] = [
    { title: "What", cell: ({ what }) => what },
    {
      title: "Change",
      cell: ({ removed, added }) => (
        <span class="diff">
          {removed.map((value) => (
            <del>
              <span class="only-read">removed:</span>− {value}
            </del>
          ))}
          {added.map((value) => (
            <ins>
              <span class="only-read">added:</span>+ {value}
            </ins>
          ))}
        </span>
      ),
    },
  ];
  return <Table caption="Changes" isSmall columns={columns} rows={changes} empty="They say the same." />;
};

const outcomes: Readonly<Record<MachineOutcome["outcome"], readonly [Tone, string]>> = {
  fail: ["bad", "would fail"],
  unknown: ["warn", "not known"],
  pass: ["good", "would pass"],
};

const Outcomes: FC<{ machines: readonly MachineOutcome[] }> = ({ machines }) => {
  const order = Object.keys(outcomes);
  const sorted = [...machines].sort((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
  const columns: Column<MachineOutcome>[] = [
    { title: "Machine", cell: ({ agentId }) => <Id id={agentId} href={`/dashboard/machines/${agentId}`} /> },
    {
      title: "Outcome",
      cell: ({ outcome }) => <Badge tone={outcomes[outcome][0]}>{outcomes[outcome][1]}</Badge>,
    },
    {
      title: "Why",
      cell: ({ outcome, pcrs }) =>
        pcrs.length > 0
          ? `PCR ${pcrs.join(", ")}`
          : outcome === "fail"
          ? "firmware"
          : outcome === "unknown"
          ? "these PCRs were not shown yet"
          : "",
    },
    { title: "Labels", cell: ({ labels }) => <Labels labels={labels} /> },
    { title: "Judged under now", cell: ({ before }) => before },
  ];
  return (
    <>
      {machines.length > maxNamed
        ? <p class="empty">The first {maxNamed} of {formatCount(machines.length)} machines.</p>
        : null}
      <Table
        caption="Machines"
        columns={columns}
        rows={sorted.slice(0, maxNamed)}
        empty="It counts for no machine that is enrolled."
      />
    </>
  );
};

interface PlanProps {
  readonly frame: Frame;
  readonly plan: PolicyPlan;
  readonly csrf: string;
  readonly document: string;
  readonly overlapMinutes: string;
}

/** What a version would change, before it is applied. */
export const PlanPage: FC<PlanProps> = ({ frame, plan, csrf, document, overlapMinutes }) => {
  const count = (outcome: MachineOutcome["outcome"]) =>
    plan.machines.filter((machine) => machine.outcome === outcome).length;
  return (
    <Page frame={frame} title={`Plan: ${versionOf(plan.policy)}`} hint="nothing is applied yet">
      <dl class="totals">
        <div>
          <dt>Would pass</dt>
          <dd>{count("pass")}</dd>
        </div>
        <div>
          <dt>Would fail</dt>
          <dd>{count("fail")}</dd>
        </div>
        <div>
          <dt>Not known</dt>
          <dd>{count("unknown")}</dd>
        </div>
      </dl>
      <Panel id="changes" title="What changes">
        <Changes changes={plan.changes} />
      </Panel>
      <Panel id="outcomes" title="Machines that it concerns" hint="by what each showed last">
        <Outcomes machines={plan.machines} />
      </Panel>
      <Panel id="apply" title="Apply">
        <div class="body">
          <p>
            It counts from the next proof on: machines that would fail are cut when they are asked again,
            within the re-attestation interval.
          </p>
          <ActionForm action="/dashboard/policies/apply" csrf={csrf} label="Apply this policy">
            <input type="hidden" name="document" value={document} />
            <input type="hidden" name="overlap_minutes" value={overlapMinutes} />
            <div class="row">
              <button type="submit" class="main">Apply {versionOf(plan.policy)}</button>
              <a class="button" href="/dashboard/policies">Leave it</a>
            </div>
          </ActionForm>
        </div>
      </Panel>
    </Page>
  );
};
