/** The account of whoever comes by the OpenID provider: made at the first login, with the provider's groups at each. */
import { PosternError } from "../../errors/mod.ts";
import type { AdminAccount } from "../../ports/mod.ts";
import { audit } from "../audit.ts";
import type { ControlDeps } from "../config.ts";
import { actorOf } from "./login.ts";
import type { OidcPerson } from "./oidc.ts";
import { freshId } from "./secret.ts";

const maxNameChars = 50;

type Deps = Pick<ControlDeps, "store" | "clock" | "random" | "events">;

/** Throws `admin_accounts_full`. */
export async function accountOfPerson(deps: Deps, person: OidcPerson): Promise<AdminAccount> {
  const { store } = deps;
  const known = await store.adminAccountBySubject(person.subject);
  if (known === undefined) return await makeAccount(deps, person);
  if (known.role === person.role) return known;
  const outcome = await store.changeAdminAccount(known.accountId, { role: person.role });
  // Somebody has to be left who can manage accounts, whatever the groups say.
  if (outcome !== "changed") return known;
  await auditAccount(deps, known, "admin.account.role", { role: person.role });
  return { ...known, role: person.role };
}

async function makeAccount(deps: Deps, { subject, role, name }: OidcPerson): Promise<AdminAccount> {
  const { store, clock, random } = deps;
  const id = freshId(random);
  const plain = (name ?? "").toLowerCase().replaceAll(/[^a-z0-9._@+-]/g, "").replace(/^[^a-z0-9]+/, "");
  const wanted = plain.slice(0, maxNameChars);
  const other = `oidc-${id.toLowerCase().replaceAll(/[^a-z0-9]/g, "0")}`;
  // Names are for people; an account is found by its subject, never by a name that somebody may choose.
  for (const free of wanted === "" ? [other] : [wanted, other]) {
    const account: AdminAccount = {
      accountId: `adm_${id}`,
      name: free,
      role,
      subject,
      createdBy: "oidc",
      createdAtMs: clock.wall(),
    };
    const outcome = await store.addAdminAccount(account);
    if (outcome === "too_many") {
      throw new PosternError("admin_accounts_full", "Cannot make account: there are too many");
    }
    if (outcome === "name_taken") {
      // Two logins of one person at once: the other has made it.
      const made = await store.adminAccountBySubject(subject);
      if (made !== undefined) return made;
      continue;
    }
    deps.events.onAdministrator?.();
    await auditAccount(deps, account, "admin.account.create", { role });
    return account;
  }
  throw new PosternError("admin_name_taken", "Cannot make account: another one has this name");
}

async function auditAccount(
  { store, clock }: Deps,
  account: AdminAccount,
  action: string,
  detail: Readonly<Record<string, string>>,
): Promise<void> {
  await audit({ store, clock }, {
    actor: actorOf(account),
    action,
    subject: account.accountId,
    detail: { ...detail, by: "oidc" },
  });
}
