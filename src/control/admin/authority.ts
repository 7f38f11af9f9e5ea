/** Who asks for something under /api/admin or on the dashboard, and whether that is enough. */
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { equalConstantTime, utf8 } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { claimedKind } from "../../identity/mod.ts";
import type { AdminRole } from "../../ports/mod.ts";
import type { ControlDeps } from "../config.ts";
import { adminPrefix, authorizationRequired, bearerOf, requireOperator } from "../credentials.ts";
import type { ControlEnv } from "../http.ts";
import { derivedSecret } from "./secret.ts";
import { sessionLifeMs, sessionOfAccess, sessionOfCookie, type SignedIn } from "./sessions.ts";

/** From the mightiest to the weakest. */
export const adminRoles = ["owner", "operator", "viewer"] as const satisfies readonly AdminRole[];

/** Header, or field of a form, with the token of {@link Administrator.csrfToken}. */
export const csrfHeader = "X-CSRF-Token";

export interface Administrator {
  /** What the audit log names: `admin:NAME`, or the owner of a management token. */
  readonly actor: string;
  readonly role: AdminRole;
  /** Absent for a management token. */
  readonly signedIn?: SignedIn;
  /** What a page has to send back with whatever changes something; only where a cookie is what counted. */
  readonly csrfToken?: string;
}

/**
 * Says who asks, if the role is enough: by an access token or an operator's management token in the Authorization header, or
 * by the cookie of a session. With a cookie, requests other than GET and HEAD have to come from our own pages.
 *
 * Throws `authorization_required`, `authorization_malformed`, `admin_session_ended`, `admin_role_insufficient`,
 * `role_insufficient`, `csrf_refused`, and the codes of tokens.
 * @param csrfToken what a form has brought in a field, where the header cannot be set
 */
export type RequireAdmin = (
  context: Context<ControlEnv>,
  role: AdminRole,
  csrfToken?: string,
) => Promise<Administrator>;

export function adminAuthority(deps: ControlDeps): RequireAdmin {
  return async (context, role, csrfToken) => {
    const admin = await administratorOf(deps, context);
    if (admin.csrfToken !== undefined && !["GET", "HEAD"].includes(context.req.method)) {
      checkOrigin(context);
      checkToken(csrfToken ?? context.req.header(csrfHeader), admin.csrfToken);
    }
    if (adminRoles.indexOf(admin.role) > adminRoles.indexOf(role)) {
      throw new PosternError(
        "admin_role_insufficient",
        `Cannot serve request: it takes the role ${role}, and this account is ${admin.role}`,
      );
    }
    return admin;
  };
}

async function administratorOf(deps: ControlDeps, context: Context<ControlEnv>): Promise<Administrator> {
  const bearer = bearerOf(context.req);
  if (bearer !== undefined) {
    if (claimedKind(bearer) === "admin") return signed(await sessionOfAccess(deps, bearer));
    const { sub } = await requireOperator(deps, [bearer]);
    return { actor: sub, role: "operator" };
  }
  const secret = getCookie(context, cookieName(context));
  if (secret === undefined) throw authorizationRequired();
  const signedIn = await sessionOfCookie(deps, secret, !context.env?.isPassive);
  return { ...signed(signedIn), csrfToken: csrfTokenOf(secret) };
}

function signed(signedIn: SignedIn): Administrator {
  const { name, role } = signedIn.account;
  return { actor: `${adminPrefix}${name}`, role, signedIn };
}

/** Follows from the cookie, which no other page can read. */
export function csrfTokenOf(secret: string): string {
  return derivedSecret(secret, "csrf");
}

/**
 * Services are published below our own host: for SameSite they are the same site as we are, so the whole origin is compared.
 * Throws `csrf_refused`.
 */
export function checkOrigin(context: Context<ControlEnv>): void {
  const origin = context.req.header("Origin");
  const site = context.req.header("Sec-Fetch-Site");
  const url = new URL(context.req.url);
  const host = context.req.header("Host") ?? url.host;
  const isOwn = origin === `${url.protocol}//${host}`.toLowerCase();
  if (isOwn && (site === undefined || site === "same-origin")) return;
  throw new PosternError("csrf_refused", "Cannot serve request: it came from a page of another origin");
}

function checkToken(sent: string | undefined, expected: string): void {
  if (sent !== undefined && equalConstantTime(utf8(sent), utf8(expected))) return;
  throw new PosternError(
    "csrf_refused",
    "Cannot serve request: the token of its session is missing or wrong",
  );
}

/** Over TLS no other host can set or read it (RFC 6265bis 4.1.3.2). Plain HTTP is for development on loopback. */
function cookieName(context: Context<ControlEnv>): string {
  return isSecure(context) ? "__Host-postern_admin" : "postern_admin";
}

export function isSecure(context: Context<ControlEnv>): boolean {
  return new URL(context.req.url).protocol === "https:";
}

/** Gives the browser the session. */
export function setSessionCookie(context: Context<ControlEnv>, secret: string): void {
  setCookie(context, cookieName(context), secret, {
    path: "/",
    httpOnly: true,
    sameSite: "Strict",
    secure: isSecure(context),
    maxAge: sessionLifeMs / 1_000,
  });
}

export function clearSessionCookie(context: Context<ControlEnv>): void {
  deleteCookie(context, cookieName(context), { path: "/", secure: isSecure(context) });
}
