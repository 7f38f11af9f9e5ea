/** Sessions of administrators: opened by a login, found again by a cookie or an access token, ended by anybody's logout. */
import { networkOf } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { issueAdmin, verifyAdmin } from "../../identity/mod.ts";
import type { AdminAccount, AdminSession } from "../../ports/mod.ts";
import { audit } from "../audit.ts";
import { controlAudience, type ControlDeps } from "../config.ts";
import { expectationOf } from "../credentials.ts";
import { freshId, freshSecret, hashOfSecret, secretPattern } from "./secret.ts";

/** No session is older. */
export const sessionLifeMs = 12 * 3_600_000;
/** A session that was not used for so long is over. */
const sessionIdleMs = 3_600_000;
/** Life of an access token. */
const accessLifeMs = 900_000;
/** Sessions of one account. */
const maxSessionsPerAccount = 16;
/** Use is noted this often: not every page has to be written down. */
const noteUseEveryMs = 60_000;

type SessionDeps = Pick<ControlDeps, "store" | "clock" | "random" | "keyset" | "config">;

/** A session with the account that it is of. */
export interface SignedIn {
  readonly account: AdminAccount;
  readonly session: AdminSession;
}

/** Opens a session for an account whose login was judged. @returns it, with its secret */
export async function openSession(
  deps: SessionDeps,
  account: AdminAccount,
  kind: AdminSession["kind"],
  clientIp: string,
): Promise<SignedIn & { readonly secret: string }> {
  const secret = freshSecret(deps.random);
  const nowMs = deps.clock.wall();
  const session: AdminSession = {
    sessionId: freshId(deps.random),
    secretSha256: hashOfSecret(secret),
    kind,
    accountId: account.accountId,
    address: networkOf(clientIp),
    openedAtMs: nowMs,
    usedAtMs: nowMs,
    expiresAtMs: nowMs + sessionLifeMs,
  };
  await deps.store.openAdminSession(session, maxSessionsPerAccount);
  return { account, session, secret };
}

/**
 * The session of a cookie. Throws `admin_session_ended`.
 * @param isUse whether it is used by that, and so stays open for longer
 */
export async function sessionOfCookie(deps: SessionDeps, secret: string, isUse = true): Promise<SignedIn> {
  const session = secretPattern.test(secret)
    ? await deps.store.adminSessionBySecret(hashOfSecret(secret))
    : undefined;
  // A refresh token is no cookie.
  return await live(deps, session?.kind === "cookie" ? session : undefined, isUse);
}

/** The session of an access token. Throws the codes of tokens, `admin_session_ended`. */
export async function sessionOfAccess(deps: SessionDeps, token: string): Promise<SignedIn> {
  const { sub, sid } = await verifyAdmin(token, deps.keyset, expectationOf(deps));
  const session = await deps.store.adminSession(sid);
  return await live(deps, session?.accountId === sub ? session : undefined);
}

/** A token for the API that lasts 15 minutes, or as long as the session. */
export async function issueAccess(deps: SessionDeps, { account, session }: SignedIn) {
  const nowMs = deps.clock.wall();
  const lifeMs = Math.min(accessLifeMs, session.expiresAtMs - nowMs);
  return await issueAdmin(
    { iss: deps.config.issuer, aud: controlAudience, sub: account.accountId, sid: session.sessionId },
    deps.keyset,
    { nowMs, random: deps.random, ttlSeconds: Math.max(1, Math.floor(lifeMs / 1_000)) },
  );
}

/** Exchanges a refresh token for the next one. Throws `admin_session_ended`, `admin_refresh_reused`. */
export async function refreshSession(
  deps: SessionDeps,
  refresh: string,
): Promise<SignedIn & { readonly secret: string }> {
  const secret = freshSecret(deps.random);
  const nowMs = deps.clock.wall();
  const sha256 = secretPattern.test(refresh) ? hashOfSecret(refresh) : undefined;
  const known = sha256 === undefined ? undefined : await deps.store.adminSessionBySecret(sha256);
  if (sha256 === undefined || known?.kind === "cookie") throw ended();
  if (known !== undefined) await live(deps, known);
  const rotated = await deps.store.rotateAdminSession(sha256, hashOfSecret(secret), nowMs);
  if (rotated === undefined) throw ended();
  if (rotated.outcome === "reused") {
    const { accountId, sessionId } = rotated.session;
    await audit(deps, {
      actor: "control",
      action: "admin.session.reuse",
      subject: accountId,
      outcome: "admin_refresh_reused",
      detail: { session: sessionId },
    });
    throw new PosternError(
      "admin_refresh_reused",
      "Cannot refresh session: this token was used before, and the session was ended",
    );
  }
  return { ...await live(deps, rotated.session), secret };
}

/** Judges what the store knows, and notes that it is used. */
async function live(
  deps: SessionDeps,
  session: AdminSession | undefined,
  isUse = true,
): Promise<SignedIn> {
  if (session === undefined) throw ended();
  const nowMs = deps.clock.wall();
  const isOver = session.expiresAtMs <= nowMs || session.usedAtMs + sessionIdleMs <= nowMs;
  const account = isOver ? undefined : await deps.store.adminAccount(session.accountId);
  if (account === undefined) {
    await deps.store.closeAdminSession(session.sessionId);
    throw ended();
  }
  if (isUse && session.usedAtMs + noteUseEveryMs <= nowMs) {
    await deps.store.useAdminSession(session.sessionId, nowMs);
  }
  return { account, session };
}

function ended(): PosternError {
  return new PosternError("admin_session_ended", "Cannot serve request: the session is over");
}
