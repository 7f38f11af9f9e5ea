/** Accounts of administrators, for owners. */
import type { AdminAccount } from "../../ports/mod.ts";
import { doneParts } from "../done.tsx";
import { ActionForm, Badge, type Column, Field, Panel, Table, Time } from "../parts.tsx";
import { still, type View, type Visit } from "../visit.ts";

const roles = [
  ["viewer", "viewer: looks"],
  ["operator", "operator: changes"],
  ["owner", "owner: accounts too"],
] as const;

export async function accounts({ deps: { control }, admin, nowMs, csrf, query }: Visit): Promise<View> {
  const found = await control.store.adminAccounts();
  const withFactor = new Set(await control.store.adminTotpAccounts());
  const own = admin.signedIn?.account.accountId;
  const columns: Column<AdminAccount>[] = [
    {
      title: "Name",
      cell: ({ name, accountId }) => (
        <>
          {name} {accountId === own ? <Badge tone="plain">this is you</Badge> : null}
        </>
      ),
    },
    {
      title: "Signs in",
      cell: ({ subject, accountId, name }) =>
        subject !== undefined
          ? "by the OpenID provider"
          : !withFactor.has(accountId)
          ? "by password"
          : accountId === own
          ? "by password and code"
          : (
            <ActionForm
              action="/dashboard/accounts/factor/remove"
              csrf={csrf}
              label={`Second factor of ${name}`}
            >
              <input type="hidden" name="account_id" value={accountId} />
              <span class="row">
                by password and code
                <button type="submit" class="small" aria-label={`Remove the second factor of ${name}`}>
                  Remove
                </button>
              </span>
            </ActionForm>
          ),
    },
    {
      title: "Made",
      cell: ({ createdAtMs, createdBy }) => (
        <>
          <Time ms={createdAtMs} nowMs={nowMs} />
          <span class="sub wrap">by {createdBy}</span>
        </>
      ),
    },
    {
      title: "Role",
      cell: ({ accountId, name, role }) => (
        <ActionForm action="/dashboard/accounts/role" csrf={csrf} label={`Role of ${name}`}>
          <input type="hidden" name="account_id" value={accountId} />
          <span class="row">
            <select name="role" aria-label={`Role of ${name}`} class="narrow">
              {roles.map(([value]) => <option value={value} selected={value === role}>{value}</option>)}
            </select>
            <button type="submit" class="small" aria-label={`Change role of ${name}`}>Change</button>
          </span>
        </ActionForm>
      ),
    },
    {
      title: "Delete",
      cell: ({ accountId, name }) => (
        <ActionForm action="/dashboard/accounts/delete" csrf={csrf} label={`Delete ${name}`}>
          <input type="hidden" name="account_id" value={accountId} />
          <button type="submit" class="small bad" aria-label={`Delete ${name}`}>Delete</button>
        </ActionForm>
      ),
    },
  ];
  return {
    title: "Accounts",
    hint: "of administrators",
    parts: [
      ...doneParts(query),
      still(
        "accounts",
        <Panel id="accounts" title="Accounts">
          <Table caption="Accounts" columns={columns} rows={found} empty="None." />
        </Panel>,
      ),
      still(
        "invite",
        <Panel id="invite" title="Invite somebody" hint="by a link that makes one account">
          <div class="body">
            <ActionForm action="/dashboard/accounts/invite" csrf={csrf} label="Invite somebody">
              <div class="row">
                <Field id="role" label="Role" isShort>
                  <select id="role" name="role">
                    {roles.map(([value, text]) => <option value={value}>{text}</option>)}
                  </select>
                </Field>
                <Field id="hours" label="Hours" isShort>
                  <input id="hours" name="ttl_hours" inputmode="numeric" maxlength={3} value="1" />
                </Field>
                <button type="submit" class="main">Create link</button>
              </div>
            </ActionForm>
          </div>
        </Panel>,
      ),
    ],
  };
}
