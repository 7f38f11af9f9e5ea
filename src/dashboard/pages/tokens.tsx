/** Making tokens: each is shown once, on the page that answers the form. */
import type { FC } from "hono/jsx";
import { nodeRoles } from "../../pki/mod.ts";
import { type Frame, Page } from "../layout.tsx";
import { ActionForm, Facts, Field, Instant, type Markup, Note, Panel } from "../parts.tsx";
import { still, type View, type Visit } from "../visit.ts";

export function tokens({ csrf, mayOperate }: Visit): Promise<View> {
  const title = "Tokens";
  if (!mayOperate) {
    const content = (
      <Note tone="plain">Tokens are made by operators and owners. This account looks only.</Note>
    );
    return Promise.resolve({ title, parts: [still("none", content)] });
  }
  return Promise.resolve({
    title,
    hint: "each is shown once",
    parts: [still(
      "forms",
      <div class="columns">
        <EnrollmentForm csrf={csrf} />
        <ManagementForm csrf={csrf} />
      </div>,
    )],
  });
}

const EnrollmentForm: FC<{ csrf: string }> = ({ csrf }) => (
  <Panel id="enrollment" title="Enrollment token" hint="lets one machine or node in">
    <div class="body">
      <ActionForm action="/dashboard/tokens/enrollment" csrf={csrf} label="Create an enrollment token">
        <div class="body">
          <Field id="kind" label="For">
            <select id="kind" name="kind">
              <option value="machine">a machine, by its TPM</option>
              {nodeRoles.map((role) => <option value={role}>{`the ${role} with this id`}</option>)}
            </select>
          </Field>
          <Field id="node-id" label="Id of the node" hint="For nodes only: letters, digits and ._-">
            <input id="node-id" name="id" maxlength={64} aria-describedby="node-id-hint" />
          </Field>
          <Field
            id="labels"
            label="Labels"
            hint="For machines: they choose its policy, e.g. prod rack-2. None: an enrolled machine keeps its labels."
          >
            <input id="labels" name="labels" maxlength={2_000} aria-describedby="labels-hint" />
          </Field>
          <Field
            id="ek"
            label="Endorsement key"
            hint="Only this TPM may use the token. SHA-256 of the key, 64 hex digits."
          >
            <input id="ek" name="ek_sha256" maxlength={64} aria-describedby="ek-hint" />
          </Field>
          <Field
            id="wrap-to"
            label="Wrapped to a host"
            hint="Only that host can open it. What `postern enroll --keygen` prints there; begins with host."
          >
            <input id="wrap-to" name="wrap_to" maxlength={64} aria-describedby="wrap-to-hint" />
          </Field>
          <Field id="ttl" label="Minutes that it counts" hint="As configured when empty.">
            <input
              id="ttl"
              name="ttl_minutes"
              inputmode="numeric"
              maxlength={6}
              aria-describedby="ttl-hint"
            />
          </Field>
          <label class="check">
            <input type="checkbox" name="by_link" value="1" />
            <span>Give me a link that shows it once, to pass on to who installs the machine</span>
          </label>
          <button type="submit" class="main">Create enrollment token</button>
        </div>
      </ActionForm>
    </div>
  </Panel>
);

const ManagementForm: FC<{ csrf: string }> = ({ csrf }) => (
  <Panel id="management" title="Management token" hint="publishes services for an owner">
    <div class="body">
      <ActionForm action="/dashboard/tokens/management" csrf={csrf} label="Create a management token">
        <div class="body">
          <Field id="owner" label="Owner" hint="Whose services it publishes and lists.">
            <input id="owner" name="owner" required maxlength={128} aria-describedby="owner-hint" />
          </Field>
          <Field id="role" label="Right">
            <select id="role" name="role">
              <option value="member">member: the owner's services</option>
              <option value="operator">operator: everything of the API</option>
            </select>
          </Field>
          <Field
            id="hours"
            label="Hours until it can be renewed no more"
            hint="As configured when empty. An agent renews it by itself until then."
          >
            <input
              id="hours"
              name="ttl_hours"
              inputmode="numeric"
              maxlength={6}
              aria-describedby="hours-hint"
            />
          </Field>
          <button type="submit" class="main">Create management token</button>
        </div>
      </ActionForm>
    </div>
  </Panel>
);

export interface Revealed {
  readonly title: string;
  /** Shown once. */
  readonly secret: string;
  readonly facts: readonly (readonly [name: string, value: Markup])[];
  readonly expiresAtMs: number;
  readonly use: Markup;
}

/** The one page that a secret is on. */
export const RevealPage: FC<{ frame: Frame; revealed: Revealed }> = (
  { frame, revealed: { title, secret, facts, expiresAtMs, use } },
) => (
  <Page frame={frame} title={title}>
    <Note tone="warn">This is shown once. It is on no other page, and in no log.</Note>
    <section class="panel" aria-labelledby="secret-title">
      <header>
        <h2 id="secret-title">The secret</h2>
        <button type="button" class="small" hidden data-copies="secret">Copy</button>
      </header>
      <div class="body">
        <code class="secret" id="secret">{secret}</code>
        <Facts facts={[...facts, ["It counts until", <Instant ms={expiresAtMs} />]]} />
        <div>{use}</div>
        <p>
          <a href="/dashboard/tokens">Create another one</a>
        </p>
      </div>
    </section>
  </Page>
);
