/** Accounts and sessions of administrators over HTTP. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { instant } from "../../bytes/mod.ts";
import { utf8 } from "../../bytes/mod.ts";
import type { AdminAccount, AdminSession } from "../../ports/mod.ts";
import { audit } from "../audit.ts";
import { AuditBudget } from "../audit_budget.ts";
import type { ControlDeps } from "../config.ts";
import { authorizationRequired } from "../credentials.ts";
import type { ControlEnv } from "../http.ts";
import type { RateLimiter } from "../rate_limit.ts";
import { acceptInvite, changePassword, changeRole, deleteAccount, inviteAdmin } from "./accounts.ts";
import {
  checkOrigin,
  clearSessionCookie,
  csrfTokenOf,
  type RequireAdmin,
  setSessionCookie,
} from "./authority.ts";
import { actorOf, HashTurns, type LoginDeps } from "./login.ts";
import { qrSvg } from "./qr.ts";
import {
  confirmFactor,
  judgeLogin,
  proposeFactor,
  removeFactorOf,
  removeOwnFactor,
} from "./second_factor.ts";
import {
  accountsRoute,
  beginFactorRoute,
  confirmFactorRoute,
  deleteAccountRoute,
  inviteRoute,
  loginRoute,
  logoutRoute,
  meRoute,
  passwordRoute,
  refreshRoute,
  removeFactorOfRoute,
  removeFactorRoute,
  roleRoute,
  setupRoute,
} from "./session_routes.ts";
import { issueAccess, openSession, refreshSession, type SignedIn } from "./sessions.ts";

/** Page that makes an account out of what stands behind the #. */
export const setupPath = "/dashboard/setup";

export function addAdminSessionRoutes(
  app: OpenAPIHono<ControlEnv>,
  deps: ControlDeps,
  requireAdmin: RequireAdmin,
  limiter: RateLimiter,
): void {
  const login: LoginDeps = {
    store: deps.store,
    clock: deps.clock,
    random: deps.random,
    hashes: new HashTurns(),
    limiter,
    budget: new AuditBudget(deps.clock.now.bind(deps.clock)),
  };

  app.openapi(loginRoute, async (context) => {
    const { name, password, code, session = "cookie" } = context.req.valid("json");
    // Nobody is signed in by another page, under a name that is not theirs.
    if (session === "cookie") checkOrigin(context);
    const account = await judgeLogin(login, { name, password, code, clientIp: clientIpOf(context) });
    return context.json(await signIn(context, account, session), 200);
  });

  app.openapi(setupRoute, async (context) => {
    const { secret, name, password, session = "cookie" } = context.req.valid("json");
    if (session === "cookie") checkOrigin(context);
    const clientIp = clientIpOf(context);
    const account = await acceptInvite(login, { secret, name, password, clientIp });
    deps.events.onAdministrator?.();
    return context.json(await signIn(context, account, session), 200);
  });

  app.openapi(refreshRoute, async (context) => {
    const { refresh_token } = context.req.valid("json");
    const { secret, ...signedIn } = await refreshSession(deps, refresh_token);
    return context.json(await toldTokens(signedIn, secret), 200);
  });

  app.openapi(logoutRoute, async (context) => {
    const { actor, signedIn } = await requireAdmin(context, "viewer");
    if (signedIn === undefined) throw authorizationRequired();
    const { accountId, sessionId } = signedIn.session;
    const { everywhere = false } = context.req.valid("json");
    const sessions = everywhere
      ? await deps.store.closeAdminSessions(accountId)
      : Number(await deps.store.closeAdminSession(sessionId));
    await audit(deps, { actor, action: "admin.logout", subject: accountId, detail: { sessions } });
    clearSessionCookie(context);
    return context.json({ sessions }, 200);
  });

  app.openapi(meRoute, async (context) => {
    const { actor, role, signedIn, csrfToken } = await requireAdmin(context, "viewer");
    if (signedIn === undefined) return context.json({ actor, role }, 200);
    const { account, session } = signedIn;
    const sessions = await deps.store.adminSessionsOf(account.accountId);
    return context.json({
      actor,
      role,
      account_id: account.accountId,
      name: account.name,
      second_factor: (await deps.store.adminTotp(account.accountId))?.isConfirmed ?? false,
      ...(csrfToken === undefined ? {} : { csrf_token: csrfToken }),
      session_ends_at: instant(session.expiresAtMs),
      sessions: sessions.map((one) => ({
        session_id: one.sessionId,
        kind: one.kind,
        address: one.address,
        opened_at: instant(one.openedAtMs),
        used_at: instant(one.usedAtMs),
        current: one.sessionId === session.sessionId,
      })),
    }, 200);
  });

  app.openapi(passwordRoute, async (context) => {
    const { signedIn } = await requireAdmin(context, "viewer");
    if (signedIn === undefined) throw authorizationRequired();
    const { account, session: { sessionId } } = signedIn;
    const { current_password: current, new_password: next } = context.req.valid("json");
    const sessions = (await deps.store.adminSessionsOf(account.accountId)).length - 1;
    await changePassword(login, account, { current, next, clientIp: clientIpOf(context), sessionId });
    return context.json({ sessions }, 200);
  });

  const ownAccount = async (context: Context<ControlEnv>): Promise<SignedIn> => {
    const { signedIn } = await requireAdmin(context, "viewer");
    if (signedIn === undefined) throw authorizationRequired();
    return signedIn;
  };

  app.openapi(beginFactorRoute, async (context) => {
    const { account } = await ownAccount(context);
    const { current_password: password } = context.req.valid("json");
    const { secret, url } = await proposeFactor(login, account, {
      password,
      clientIp: clientIpOf(context),
      place: deps.config.publicDomain,
    });
    return context.json({ secret, url, qr_svg: qrSvg(utf8(url)) }, 200);
  });

  app.openapi(confirmFactorRoute, async (context) => {
    const { account, session: { sessionId } } = await ownAccount(context);
    const { code } = context.req.valid("json");
    const sessions = await confirmFactor(login, account, { code, clientIp: clientIpOf(context), sessionId });
    return context.json({ sessions }, 200);
  });

  app.openapi(removeFactorRoute, async (context) => {
    const { account } = await ownAccount(context);
    const { current_password: password, code } = context.req.valid("json");
    await removeOwnFactor(login, account, { password, code, clientIp: clientIpOf(context) });
    return context.json({ account_id: account.accountId }, 200);
  });

  app.openapi(removeFactorOfRoute, async (context) => {
    const { actor, signedIn } = await requireAdmin(context, "owner");
    const { account_id } = context.req.valid("json");
    await removeFactorOf(deps, { actor, accountId: signedIn?.account.accountId }, account_id);
    return context.json({ account_id }, 200);
  });

  app.openapi(accountsRoute, async (context) => {
    await requireAdmin(context, "owner");
    const accounts = await deps.store.adminAccounts();
    const withFactor = new Set(await deps.store.adminTotpAccounts());
    return context.json({
      accounts: accounts.map((account) => ({
        account_id: account.accountId,
        name: account.name,
        role: account.role,
        password: account.passwordHash !== undefined,
        second_factor: withFactor.has(account.accountId),
        provider: account.subject !== undefined,
        created_by: account.createdBy,
        created_at: instant(account.createdAtMs),
      })),
    }, 200);
  });

  app.openapi(inviteRoute, async (context) => {
    const { actor } = await requireAdmin(context, "owner");
    const { role, ttl_seconds: ttl } = context.req.valid("json");
    const lifeMs = ttl === undefined ? undefined : ttl * 1_000;
    const invite = await inviteAdmin(deps, actor, { role, lifeMs });
    const url = `${deps.publicUrl()}${setupPath}#${invite.secret}`;
    return context.json({ url, role, expires_at: instant(invite.expiresAtMs) }, 200);
  });

  app.openapi(roleRoute, async (context) => {
    const { actor } = await requireAdmin(context, "owner");
    const { account_id, role } = context.req.valid("json");
    await changeRole(deps, actor, account_id, role);
    return context.json({ account_id }, 200);
  });

  app.openapi(deleteAccountRoute, async (context) => {
    const { actor } = await requireAdmin(context, "owner");
    const { account_id } = context.req.valid("json");
    await deleteAccount(deps, actor, account_id);
    return context.json({ account_id }, 200);
  });

  async function signIn(context: Context<ControlEnv>, account: AdminAccount, kind: AdminSession["kind"]) {
    const clientIp = clientIpOf(context);
    const { secret, ...signedIn } = await openSession(deps, account, kind, clientIp);
    await audit(deps, {
      actor: actorOf(account),
      action: "admin.login",
      subject: account.accountId,
      detail: { address: clientIp, session: signedIn.session.sessionId, kind },
    });
    if (kind === "token") return await toldTokens(signedIn, secret);
    setSessionCookie(context, secret);
    return { ...toldSession(signedIn), csrf_token: csrfTokenOf(secret) };
  }

  async function toldTokens(signedIn: SignedIn, secret: string) {
    const access = await issueAccess(deps, signedIn);
    return {
      ...toldSession(signedIn),
      access_token: access.token,
      access_expires_at: instant(access.expiresAtMs),
      refresh_token: secret,
    };
  }
}

function toldSession({ account, session }: SignedIn) {
  return {
    account_id: account.accountId,
    name: account.name,
    role: account.role,
    session_ends_at: instant(session.expiresAtMs),
  };
}

function clientIpOf(context: Context<ControlEnv>): string {
  return context.env?.clientIp ?? "unknown";
}
