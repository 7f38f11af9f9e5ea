/** What runs here and by which rules; the account that is signed in. */
import type { FC } from "hono/jsx";
import { type NodeVersion, nodeVersions } from "../../control/mod.ts";
import type { AdminSession } from "../../ports/mod.ts";
import { doneParts } from "../done.tsx";
import { formatCount, formatSpan } from "../format.ts";
import { ActionForm, Badge, type Column, Facts, Field, Panel, Table, Time } from "../parts.tsx";
import { CodeInput } from "./session.tsx";
import { still, type View, type ViewPart, type Visit } from "../visit.ts";

export async function settings(visit: Visit): Promise<View> {
  const { deps: { control }, query } = visit;
  const { config } = control;
  const versions = await nodeVersions(control);
  const columns: Column<NodeVersion>[] = [
    { title: "Version", cell: ({ version }) => version },
    { title: "Of", cell: ({ role }) => `${role}s` },
    { title: "Nodes", isNumber: true, cell: ({ nodes }) => formatCount(nodes) },
    { title: "Online", isNumber: true, cell: ({ online }) => formatCount(online) },
  ];
  const { intervalMs, graceMs, maintenanceCapMs } = config.reauth;
  return {
    title: "Settings",
    hint: "as this edge has them; they are changed in its configuration",
    parts: [
      ...doneParts(query),
      still(
        "facts",
        <div class="columns">
          <Panel id="versions" title="Versions">
            <div class="body">
              <Facts facts={[["This edge", control.version], ["Public host", config.publicDomain]]} />
            </div>
            {versions.length === 0 ? null : (
              <Table
                caption="Versions of nodes"
                isSmall
                columns={columns}
                rows={versions}
                empty="No node was heard."
              />
            )}
          </Panel>
          <Panel id="rules" title="Who is let in">
            <div class="body">
              <Facts
                facts={[
                  ["Proof", config.attestation.tiers.map(wordOfTier).join(", ")],
                  [
                    "PCR policy",
                    config.attestation.requirePolicy
                      ? "every machine needs one"
                      : "the baseline where there is none",
                  ],
                  ["Without a token", config.anonymousTunnels ? "anybody may publish" : "nobody may publish"],
                  [
                    "Asked again",
                    intervalMs === 0
                      ? "never"
                      : `every ${formatSpan(intervalMs)}, answered within ${formatSpan(graceMs)}`,
                  ],
                  ["Put off at most", formatSpan(maintenanceCapMs)],
                ]}
              />
            </div>
          </Panel>
          <Panel id="lives" title="Lives of tokens">
            <div class="body">
              <Facts
                facts={[
                  [
                    "Management",
                    `${formatSpan(config.tokens.managementMs)}, renewed for ${
                      formatSpan(config.tokens.managementFamilyMs)
                    }`,
                  ],
                  ["Enrollment", formatSpan(config.tokens.enrollmentMs)],
                  [
                    "Before and after the challenge",
                    `${formatSpan(config.tokens.stage0Ms)}, ${formatSpan(config.tokens.stage1Ms)}`,
                  ],
                  ["Clocks may differ by", formatSpan(config.tokens.clockSkewMs)],
                ]}
              />
            </div>
          </Panel>
          <Panel id="limits" title="Limits">
            <div class="body">
              <Facts
                facts={[
                  ["Services of one owner", formatCount(config.limits.maxTunnelsPerOwner)],
                  ["Agents of one service", formatCount(config.limits.maxAgentsPerTunnel)],
                  ["Machines", formatCount(config.limits.maxMachines)],
                ]}
              />
            </div>
          </Panel>
        </div>,
      ),
    ],
  };
}

function wordOfTier(tier: string): string {
  return tier === "tpm" ? "by a TPM" : "by a key in a file (weaker)";
}

/** The own account: where it is signed in, and its password. */
export async function account(visit: Visit): Promise<View> {
  const { deps: { control }, admin, nowMs, csrf, query } = visit;
  const { signedIn } = admin;
  if (signedIn === undefined) {
    return { title: "Account", parts: [still("none", <p>This is a token, not an account.</p>)] };
  }
  const { accountId } = signedIn.account;
  const [sessions, factor] = await Promise.all([
    control.store.adminSessionsOf(accountId),
    control.store.adminTotp(accountId),
  ]);
  const columns: Column<AdminSession>[] = [
    {
      title: "From",
      cell: ({ address, sessionId }) => (
        <>
          {address} {sessionId === signedIn.session.sessionId ? <Badge tone="good">this one</Badge> : null}
        </>
      ),
    },
    { title: "Kind", cell: ({ kind }) => kind === "cookie" ? "browser" : "program" },
    { title: "Opened", cell: ({ openedAtMs }) => <Time ms={openedAtMs} nowMs={nowMs} /> },
    { title: "Last used", cell: ({ usedAtMs }) => <Time ms={usedAtMs} nowMs={nowMs} /> },
    { title: "Ends", cell: ({ expiresAtMs }) => <Time ms={expiresAtMs} nowMs={nowMs} /> },
  ];
  const parts: ViewPart[] = [
    ...doneParts(query),
    still(
      "sessions",
      <Panel id="sessions" title="Sessions" hint="where this account is signed in">
        <Table caption="Sessions" columns={columns} rows={sessions} empty="None." />
        <div class="body">
          <ActionForm action="/dashboard/account/everywhere" csrf={csrf} label="Sign out everywhere">
            <button type="submit">Sign out everywhere</button>
          </ActionForm>
        </div>
      </Panel>,
    ),
  ];
  if (signedIn.account.passwordHash !== undefined) {
    parts.push(still(
      "password",
      <Panel id="password" title="Password">
        <div class="body">
          <ActionForm action="/dashboard/account/password" csrf={csrf} label="Change the password">
            <div class="body">
              <Field id="current" label="Present password">
                <input
                  id="current"
                  name="current"
                  type="password"
                  autocomplete="current-password"
                  required
                  maxlength={1024}
                />
              </Field>
              <Field id="next" label="New password" hint="12 characters at least. All other sessions end.">
                <input
                  id="next"
                  name="next"
                  type="password"
                  autocomplete="new-password"
                  required
                  minlength={12}
                  maxlength={1024}
                  aria-describedby="next-hint"
                />
              </Field>
              <button type="submit" class="main">Change password</button>
            </div>
          </ActionForm>
        </div>
      </Panel>,
    ));
  }
  if (signedIn.account.passwordHash !== undefined) {
    parts.push(still("factor", <SecondFactor hasFactor={factor?.isConfirmed ?? false} csrf={csrf} />));
  }
  return { title: "My account", hint: `${signedIn.account.name}, ${admin.role}`, parts };
}

const SecondFactor: FC<{ hasFactor: boolean; csrf: string }> = ({ hasFactor, csrf }) => (
  <Panel
    id="factor"
    title="Second factor"
    hint={hasFactor ? "every login takes a code of the app" : "a login takes the password alone"}
  >
    <div class="body">
      <ActionForm
        action={`/dashboard/account/factor/${hasFactor ? "remove" : "begin"}`}
        csrf={csrf}
        label="Second factor"
      >
        <div class="body">
          <Field id="factor_current" label="Present password">
            <input
              id="factor_current"
              name="factor_current"
              type="password"
              autocomplete="current-password"
              required
              maxlength={1024}
            />
          </Field>
          {hasFactor
            ? (
              <Field id="code" label="Code" hint="What the app shows now.">
                <CodeInput id="code" isRequired />
              </Field>
            )
            : null}
          <button type="submit">{hasFactor ? "Remove the app" : "Add an authenticator app"}</button>
        </div>
      </ActionForm>
    </div>
  </Panel>
);
