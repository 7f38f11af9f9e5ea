/** PCR policies: which there are, and a form to plan another version. */
import { listPolicies, type PolicyFacts } from "../../control/mod.ts";
import { selectionOf } from "../../policy/mod.ts";
import { doneParts } from "../done.tsx";
import { formatCount } from "../format.ts";
import { ActionForm, Badge, type Column, Field, Panel, Table, Time } from "../parts.tsx";
import { live, still, type View, type Visit } from "../visit.ts";
import { Labels } from "./machines.tsx";

export async function policies({ deps: { control }, nowMs, query, csrf, mayOperate }: Visit): Promise<View> {
  const found = await listPolicies(control);
  const columns: Column<PolicyFacts>[] = [
    {
      title: "Policy",
      cell: ({ policy: { name, version, description } }) => (
        <>
          <a href={`/dashboard/policies/${name}`}>{name}</a>
          <span class="sub">{description ?? `version ${version}`}</span>
        </>
      ),
    },
    {
      title: "State",
      cell: ({ policy, overlapUntilMs }) =>
        policy.retired
          ? <Badge tone="plain">retired</Badge>
          : overlapUntilMs > nowMs
          ? <Badge tone="warn">two versions are accepted</Badge>
          : <Badge tone="good">in force</Badge>,
    },
    { title: "Version", isNumber: true, cell: ({ policy }) => policy.version },
    {
      title: "PCRs",
      cell: ({ policy }) => {
        const { bank, pcrs } = selectionOf(policy);
        return `${pcrs.join(", ")} of ${bank}`;
      },
    },
    {
      title: "For",
      cell: ({ policy }) => policy.labels.length === 0 ? "every machine" : <Labels labels={policy.labels} />,
    },
    { title: "Machines", isNumber: true, cell: ({ machines }) => formatCount(machines) },
    {
      title: "Applied",
      cell: ({ appliedAtMs, appliedBy }) => (
        <>
          <Time ms={appliedAtMs} nowMs={nowMs} />
          <span class="sub wrap">by {appliedBy}</span>
        </>
      ),
    },
  ];
  return {
    title: "Policies",
    hint: "what the TPMs of machines have to show",
    parts: [
      ...doneParts(query),
      live(
        "policies",
        <Panel id="policies" title="PCR policies">
          <Table
            caption="PCR policies"
            columns={columns}
            rows={found}
            empty="None: every machine is judged by the built-in baseline, which demands a quote and no values."
          />
        </Panel>,
      ),
      ...(mayOperate
        ? [still(
          "plan",
          <Panel id="plan" title="Plan a version" hint="nothing is applied yet">
            <div class="body">
              <p class="quiet">
                The next version of a policy, or the first of a new one, as YAML or JSON.{" "}
                <code>postern policy learn</code> writes one from what machines have shown.
              </p>
              <ActionForm action="/dashboard/policies/plan" csrf={csrf} label="Plan a policy">
                <div class="body">
                  <div class="field full">
                    <label for="document">Policy</label>
                    <textarea id="document" name="document" required spellcheck={false} maxlength={100_000}>
                    </textarea>
                  </div>
                  <Field
                    id="overlap"
                    label="Minutes that the version before is accepted too"
                    hint="Not at all when empty."
                  >
                    <input
                      id="overlap"
                      name="overlap_minutes"
                      inputmode="numeric"
                      maxlength={6}
                      aria-describedby="overlap-hint"
                    />
                  </Field>
                  <button type="submit" class="main">Show what would change</button>
                </div>
              </ActionForm>
            </div>
          </Panel>,
        )]
        : []),
    ],
  };
}
