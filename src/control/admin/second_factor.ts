/** A code of an authenticator app besides the password (RFC 6238): each counts once. */
import { equalConstantTime, fromBase64Url, toBase64Url, utf8 } from "../../bytes/mod.ts";
import { base32Of, TOTP_SECRET_BYTES, totpCode, totpStep } from "../../crypto/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { AdminAccount } from "../../ports/mod.ts";
import type { ControlDeps } from "../config.ts";
import { actorOf, judgePassword, type LoginDeps } from "./login.ts";

/** Steps by which the clock of the app may differ from ours, to both sides (RFC 6238 section 5.2). */
const skewSteps = 1;

export interface Credentials {
  readonly name: string;
  readonly password: string;
  /** Six digits; needed where the account has a second factor. */
  readonly code?: string;
  readonly clientIp: string;
}

/** What an app is set up with. */
export interface ProposedFactor {
  /** base32 */
  readonly secret: string;
  /** `otpauth://totp/…`, with the secret. */
  readonly url: string;
}

/** Throws what {@link judgePassword} throws, `admin_code_required`, `admin_code_refused`. */
export async function judgeLogin(deps: LoginDeps, credentials: Credentials): Promise<AdminAccount> {
  const account = await judgePassword(deps, credentials);
  const factor = await deps.store.adminTotp(account.accountId);
  if (factor?.isConfirmed) await judgeCode(deps, account, credentials, "admin.login");
  return account;
}

/**
 * Makes a secret, which counts only once {@link confirmFactor} has seen a code of it: nobody locks themselves out by an app
 * that did not take it. Throws what {@link judgePassword} throws, `admin_factor_present`.
 * @param place what the app shows beside the name
 */
export async function proposeFactor(
  deps: LoginDeps,
  account: AdminAccount,
  { password, clientIp, place }: {
    readonly password: string;
    readonly clientIp: string;
    readonly place: string;
  },
): Promise<ProposedFactor> {
  await judgePassword(deps, { name: account.name, password, clientIp });
  const secret = deps.random(TOTP_SECRET_BYTES);
  const isTaken = await deps.store.proposeAdminTotp(
    account.accountId,
    toBase64Url(secret),
    deps.clock.wall(),
  );
  if (!isTaken) {
    throw new PosternError("admin_factor_present", "Cannot add second factor: the account has one already");
  }
  const issuer = encodeURIComponent(`Postern ${place}`);
  const label = `${issuer}:${encodeURIComponent(account.name)}`;
  const text = base32Of(secret);
  return { secret: text, url: `otpauth://totp/${label}?secret=${text}&issuer=${issuer}` };
}

/**
 * From now on the account needs a code; all its other sessions end. Throws `rate_limited`, `admin_code_refused`,
 * `admin_factor_absent`. Returns how many sessions ended.
 */
export async function confirmFactor(
  deps: LoginDeps,
  account: AdminAccount,
  { code, clientIp, sessionId }: {
    readonly code: string;
    readonly clientIp: string;
    readonly sessionId: string;
  },
): Promise<number> {
  const factor = await deps.store.adminTotp(account.accountId);
  if (factor?.isConfirmed) {
    throw new PosternError("admin_factor_present", "Cannot add second factor: the account has one already");
  }
  await judgeCode(deps, account, { code, clientIp }, "admin.factor.add");
  const ended = await deps.store.closeAdminSessions(account.accountId, sessionId);
  await audited(deps, actorOf(account), "admin.factor.add", account.accountId, { sessions: ended });
  return ended;
}

/** By the account itself. Throws what {@link judgeLogin} throws, `admin_factor_absent`. */
export async function removeOwnFactor(
  deps: LoginDeps,
  account: AdminAccount,
  credentials: Omit<Credentials, "name">,
): Promise<void> {
  await judgeLogin(deps, { ...credentials, name: account.name });
  if (!await deps.store.removeAdminTotp(account.accountId)) throw absent();
  await audited(deps, actorOf(account), "admin.factor.remove", account.accountId, {});
}

/**
 * By an owner, for somebody whose app is lost; all sessions of that account end. Of the own account a session alone takes it not
 * away: whoever got hold of the session has neither password nor app. Throws `admin_factor_own`, `admin_factor_absent`.
 * @param by `accountId`: of the session, where it is one
 */
export async function removeFactorOf(
  deps: Pick<ControlDeps, "store" | "clock">,
  by: { readonly actor: string; readonly accountId?: string },
  accountId: string,
): Promise<void> {
  if (by.accountId === accountId) {
    throw new PosternError(
      "admin_factor_own",
      "Cannot remove second factor: of the own account it takes password and code",
    );
  }
  if (!await deps.store.removeAdminTotp(accountId)) throw absent();
  const sessions = await deps.store.closeAdminSessions(accountId);
  await audited(deps, by.actor, "admin.factor.remove", accountId, { sessions });
}

async function judgeCode(
  deps: LoginDeps,
  account: AdminAccount,
  { code, clientIp }: Pick<Credentials, "code" | "clientIp">,
  action: string,
): Promise<void> {
  const factor = await deps.store.adminTotp(account.accountId);
  if (factor === undefined) throw absent();
  if (code === undefined || code === "") {
    throw new PosternError("admin_code_required", "Cannot sign in: the account needs a code of its app");
  }
  // Codes are short: whoever has the password may try few of them, from wherever they come.
  deps.limiter.spend("code", account.accountId);
  const step = stepOf(fromBase64Url(factor.secret), code, totpStep(deps.clock.wall()));
  // Spending is one write: of two that bring the same code at once one is refused.
  if (step !== undefined && await deps.store.spendAdminTotp(account.accountId, step)) return;
  if (deps.budget.take()) {
    await deps.store.appendAudit({
      atMs: deps.clock.wall(),
      actor: "anonymous",
      action,
      subject: account.accountId,
      outcome: "admin_code_refused",
      detail: { address: clientIp },
    });
  }
  throw new PosternError("admin_code_refused", "Cannot sign in: the code is wrong, over, or was used before");
}

/** Which step the code is of; every one is compared, so that the time tells nothing. */
function stepOf(secret: Uint8Array, code: string, now: number): number | undefined {
  const sent = utf8(code);
  let found: number | undefined;
  for (let step = Math.max(0, now - skewSteps); step <= now + skewSteps; step++) {
    if (equalConstantTime(sent, utf8(totpCode(secret, step)))) found = step;
  }
  return found;
}

async function audited(
  { store, clock }: Pick<ControlDeps, "store" | "clock">,
  actor: string,
  action: string,
  subject: string,
  detail: Readonly<Record<string, string | number>>,
): Promise<void> {
  await store.appendAudit({ atMs: clock.wall(), actor, action, subject, outcome: "ok", detail });
}

function absent(): PosternError {
  return new PosternError("admin_factor_absent", "Cannot change second factor: the account has none");
}
