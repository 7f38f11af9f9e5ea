/** Accounts of administrators: the first one by a link that only this machine shows, others by invites of an owner. */
import { PosternError } from "../../errors/mod.ts";
import type { AdminAccount, AdminAccountChange, AdminRole } from "../../ports/mod.ts";
import { audit } from "../audit.ts";
import type { ControlDeps } from "../config.ts";
import { actorOf, hashOfPassword, judgePassword, type LoginDeps } from "./login.ts";
import { freshId, freshSecret, hashOfSecret, secretPattern } from "./secret.ts";

/** Life of an invite, and the longest that may be asked for. */
export const inviteLifeMs = 3_600_000;
export const maxInviteLifeMs = 7 * 86_400_000;

type Deps = Pick<ControlDeps, "store" | "clock" | "random">;

export interface Invite {
  readonly secret: string;
  readonly role: AdminRole;
  readonly expiresAtMs: number;
}

/**
 * Makes a secret that whoever has it may exchange for an account. Throws `admin_invites_full`.
 * @param onlyFirst it ends as soon as there is any account
 */
export async function inviteAdmin(
  { store, clock, random }: Deps,
  by: string,
  { role, onlyFirst = false, lifeMs = inviteLifeMs }: {
    readonly role: AdminRole;
    readonly onlyFirst?: boolean;
    readonly lifeMs?: number;
  },
): Promise<Invite> {
  const secret = freshSecret(random);
  const atMs = clock.wall();
  const expiresAtMs = atMs + lifeMs;
  await store.putAdminInvite({
    secretSha256: hashOfSecret(secret),
    role,
    onlyFirst,
    createdBy: by,
    expiresAtMs,
  });
  await audit({ store, clock }, {
    actor: by,
    action: "admin.invite",
    subject: role,
    detail: { first: onlyFirst, expires_at_ms: expiresAtMs },
  });
  return { secret, role, expiresAtMs };
}

/** The link for the first owner while there is no account; undefined once there is one. */
export async function firstInvite(deps: Deps): Promise<Invite | undefined> {
  if ((await deps.store.adminAccounts()).length > 0) return undefined;
  return await inviteAdmin(deps, "control", { role: "owner", onlyFirst: true });
}

/** Throws `admin_invite_refused`, `admin_name_taken`, `admin_accounts_full`, `admin_password_weak`, `admin_login_busy`. */
export async function acceptInvite(
  deps: LoginDeps,
  { secret, name, password, clientIp }: {
    readonly secret: string;
    readonly name: string;
    readonly password: string;
    readonly clientIp: string;
  },
): Promise<AdminAccount> {
  const { store, clock, random } = deps;
  const secretSha256 = secretPattern.test(secret) ? hashOfSecret(secret) : undefined;
  const atMs = clock.wall();
  const auditAttempt = async (actor: string, subject: string, outcome: string) => {
    if (outcome !== "ok" && !deps.budget.take()) return;
    const detail = { address: clientIp };
    await audit({ store, clock }, { actor, action: "admin.account.create", subject, outcome, detail });
  };
  // Before the password is hashed: whoever has no invite costs nothing.
  if (secretSha256 === undefined || await store.adminInvite(secretSha256, atMs) === undefined) {
    await auditAttempt("anonymous", "unknown", "admin_invite_refused");
    throw inviteRefused();
  }
  const passwordHash = await hashOfPassword(deps, password);
  const account = { accountId: `adm_${freshId(random)}`, name, passwordHash, createdAtMs: atMs };
  const accepted = await store.acceptAdminInvite(secretSha256, clock.wall(), account);
  switch (accepted) {
    case "refused":
      await auditAttempt("anonymous", "unknown", "admin_invite_refused");
      throw inviteRefused();
    case "name_taken":
      throw new PosternError("admin_name_taken", "Cannot make account: another one has this name");
    case "too_many":
      throw new PosternError("admin_accounts_full", "Cannot make account: there are too many");
    default:
      await auditAttempt(actorOf(accepted), accepted.accountId, "ok");
      return accepted;
  }
}

/** Throws `admin_account_unknown`, `admin_last_owner`. */
export async function changeRole(deps: Deps, by: string, accountId: string, role: AdminRole): Promise<void> {
  await change(deps, accountId, { role });
  await audit(deps, { actor: by, action: "admin.account.role", subject: accountId, detail: { role } });
}

/** Its sessions are over. Throws `admin_account_unknown`, `admin_last_owner`. */
export async function deleteAccount(deps: Deps, by: string, accountId: string): Promise<void> {
  const outcome = await deps.store.deleteAdminAccount(accountId);
  if (outcome !== "deleted") throw unchanged(outcome);
  await audit(deps, { actor: by, action: "admin.account.delete", subject: accountId });
}

/**
 * Sets another password and ends all sessions but the one that asks. Throws `rate_limited`, `admin_login_refused` when the
 * present one is wrong, `admin_password_weak`, `admin_login_busy`.
 */
export async function changePassword(
  deps: LoginDeps,
  account: AdminAccount,
  { current, next, clientIp, sessionId }: {
    readonly current: string;
    readonly next: string;
    readonly clientIp: string;
    readonly sessionId: string;
  },
): Promise<void> {
  await judgePassword(deps, { name: account.name, password: current, clientIp });
  const passwordHash = await hashOfPassword(deps, next);
  await change(deps, account.accountId, { passwordHash });
  const ended = await deps.store.closeAdminSessions(account.accountId, sessionId);
  await audit(deps, {
    actor: actorOf(account),
    action: "admin.account.password",
    subject: account.accountId,
    detail: { sessions: ended },
  });
}

async function change({ store }: Deps, accountId: string, to: AdminAccountChange): Promise<void> {
  const outcome = await store.changeAdminAccount(accountId, to);
  if (outcome !== "changed") throw unchanged(outcome);
}

function unchanged(outcome: "unknown" | "last_owner"): PosternError {
  return outcome === "unknown"
    ? new PosternError("admin_account_unknown", "Cannot change account: there is none with this id")
    : new PosternError("admin_last_owner", "Cannot change account: it is the last owner");
}

function inviteRefused(): PosternError {
  return new PosternError("admin_invite_refused", "Cannot make account: the link is not valid any more");
}
