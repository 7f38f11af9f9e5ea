/** Who is asking: the tokens of a request, verified. */
import { toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import {
  claimedKind,
  type IssuedToken,
  issueManagement,
  type ManagementClaims,
  maxFamilySeconds,
  type RecreateClaims,
  type Role,
  verifyManagement,
  verifyRecreate,
} from "../identity/mod.ts";
import { isForeignSubject } from "../tokens/mod.ts";
import { audit } from "./audit.ts";
import { controlAudience, type ControlDeps } from "./config.ts";

/** Least that is left of a family when another token of it is issued. */
const minTokenMs = 60_000;
/** Longer than anything that a family or an owner was given can live. */
const revocationMs = 2 * maxFamilySeconds * 1_000;

export interface Credentials {
  readonly management?: ManagementClaims;
  readonly recreate?: RecreateClaims;
}

/** A request as far as its fields are looked at. */
export interface Headed {
  header(name: string): string | undefined;
}

type AuthorityDeps = Pick<ControlDeps, "store" | "keyset" | "clock" | "config">;

/** The token of a request's Authorization header; undefined without one. Throws `authorization_malformed`. */
export function bearerOf(request: Headed): string | undefined {
  const header = request.header("Authorization");
  if (header === undefined) return undefined;
  const match = /^Bearer +([^\s]+) *$/i.exec(header);
  if (match === null) {
    throw new PosternError(
      "authorization_malformed",
      "Cannot read token: the Authorization header is not Bearer",
    );
  }
  return match[1];
}

/**
 * Verifies all tokens of a request, wherever they stood; a management field may hold a recreate token.
 * Throws the codes of tokens, `token_revoked`, `credentials_ambiguous`.
 */
export async function readCredentials(
  deps: AuthorityDeps,
  tokens: readonly (string | undefined)[],
): Promise<Credentials> {
  let management: ManagementClaims | undefined;
  let recreate: RecreateClaims | undefined;
  const expect = expectationOf(deps);
  for (const token of new Set(tokens)) {
    if (token === undefined) continue;
    if (claimedKind(token) === "recreate") {
      if (recreate !== undefined) throw ambiguous("recreate");
      recreate = await verifyRecreate(token, deps.keyset, expect);
      const { owner, family, iat } = recreate;
      if (await deps.store.isRevoked({ owner, family, startedAtMs: iat * 1_000 })) throw revoked("recreate");
    } else {
      if (management !== undefined) throw ambiguous("management");
      management = await verifyManagement(token, deps.keyset, expect);
      const { jti, family, sub: owner } = management;
      const startedAtMs = familyStartMs(management);
      if (await deps.store.isRevoked({ jti, family, owner, startedAtMs })) throw revoked("management");
    }
  }
  return { management, recreate };
}

/** The management token of a request that needs one. Throws `authorization_required` and as {@link readCredentials}. */
export async function requireManagement(
  deps: AuthorityDeps,
  tokens: readonly (string | undefined)[],
): Promise<ManagementClaims> {
  const { management, recreate } = await readCredentials(deps, tokens);
  if (management !== undefined) return management;
  if (recreate !== undefined) {
    throw new PosternError("token_wrong_type", "Cannot accept recreate token: a management token is needed");
  }
  throw authorizationRequired();
}

/** The management token of a request that only an operator may make. Throws `role_insufficient` besides. */
export async function requireOperator(
  deps: AuthorityDeps,
  tokens: readonly (string | undefined)[],
): Promise<ManagementClaims> {
  const claims = await requireManagement(deps, tokens);
  if (claims.role !== "operator") throw roleInsufficient();
  return claims;
}

/** A management token with what its issuer tells about it. */
export interface IssuedManagement extends IssuedToken {
  readonly claims: Pick<ManagementClaims, "sub" | "role" | "family">;
  /** When the token and all that are refreshed out of it have ended: Unix milliseconds. */
  readonly familyEndMs: number;
}

type IssuerDeps = Pick<ControlDeps, "keyset" | "clock" | "config" | "random">;
type FirstIssuerDeps = IssuerDeps & Pick<ControlDeps, "store">;

/**
 * Issues the first management token of a family, for an owner whose right to it the caller has judged.
 * @param ttlMs time until the family ends; as configured when absent, and at most that. Throws `request_invalid`.
 */
export async function issueManagementToken(
  deps: FirstIssuerDeps,
  owner: string,
  role: Role = "member",
  ttlMs: number = deps.config.tokens.managementFamilyMs,
): Promise<IssuedManagement> {
  if (owner.startsWith(anonymousPrefix) || owner.startsWith(adminPrefix)) {
    throw new PosternError("request_invalid", "Cannot issue token: an owner's name does not begin like that");
  }
  const maxMs = deps.config.tokens.managementFamilyMs;
  if (ttlMs < minTokenMs || ttlMs > maxMs) {
    throw new PosternError(
      "request_invalid",
      `Cannot issue token: its life must be from ${minTokenMs / 1_000} to ${
        Math.floor(maxMs / 1_000)
      } seconds`,
    );
  }
  const nowMs = deps.clock.wall();
  const family = toBase64Url(deps.random(12));
  const endsAtMs = nowMs + ttlMs;
  const issued = await issueOf(deps, { sub: owner, role, family, family_start: nowMs / 1_000 }, endsAtMs);
  await deps.store.noteFamily({ family, owner, endsAtMs });
  return issued;
}

/** The same on behalf of an operator. Throws as {@link issueManagementToken}. */
export async function grantManagementToken(
  deps: FirstIssuerDeps & Pick<ControlDeps, "events">,
  operator: string,
  { owner, role, ttlMs }: { readonly owner: string; readonly role?: Role; readonly ttlMs?: number },
): Promise<IssuedManagement> {
  const issued = await issueManagementToken(deps, owner, role, ttlMs);
  await audit(deps, {
    actor: operator,
    action: "token.issue",
    subject: owner,
    detail: { role: issued.claims.role, family: issued.claims.family },
  });
  deps.events.onTokenIssued?.("management");
  return issued;
}

/** Another token of the same owner, role and family. Throws `token_family_ended`. */
export function refreshManagementToken(
  deps: IssuerDeps,
  current: ManagementClaims,
): Promise<IssuedManagement> {
  const { sub, role, family, family_start } = current;
  // A shorter setting counts for families that exist, too.
  const endMs = Math.min(
    current.family_end * 1_000,
    familyStartMs(current) + deps.config.tokens.managementFamilyMs,
  );
  if (endMs - deps.clock.wall() < minTokenMs) {
    throw new PosternError(
      "token_family_ended",
      "Cannot refresh token: the time for which it could be is over",
    );
  }
  return issueOf(deps, { sub, role, family, family_start }, endMs);
}

async function issueOf(
  deps: IssuerDeps,
  claims: Pick<ManagementClaims, "sub" | "role" | "family" | "family_start">,
  familyEndMs: number,
): Promise<IssuedManagement> {
  const { config, clock, random, keyset } = deps;
  const nowMs = clock.wall();
  const lifeMs = Math.min(config.tokens.managementMs, familyEndMs - nowMs);
  const issued = await issueManagement(
    { iss: config.issuer, aud: controlAudience, ...claims, family_end: Math.floor(familyEndMs / 1_000) },
    keyset,
    { nowMs, random, ttlSeconds: Math.floor(lifeMs / 1_000) },
  );
  return { ...issued, claims, familyEndMs };
}

/** Ends a management token before its expiry. Throws `revocations_full`. */
export async function revokeManagementToken(
  deps: Pick<ControlDeps, "store" | "clock">,
  claims: ManagementClaims,
): Promise<void> {
  const { jti: id, sub: owner, exp } = claims;
  const revokedAtMs = deps.clock.wall();
  await deps.store.revoke({ kind: "token", id, owner, revokedAtMs, forgetAtMs: exp * 1_000 });
}

/** What is to be revoked: every token of an owner, or those of a family. */
export type RevocationTarget = { readonly owner: string } | { readonly family: string };

/**
 * Ends tokens before their expiry: management tokens, and the recreate tokens that were issued beside them. Operators
 * revoke what they want, others their own. Throws `role_insufficient`, `revocations_full`.
 * @returns the tunnels of an owner, whose channels are to be cut; and whether anything is known of the target
 */
export async function revokeTokens(
  deps: Pick<ControlDeps, "store" | "clock" | "events">,
  by: ManagementClaims,
  target: RevocationTarget,
): Promise<{ readonly tunnelIds: readonly string[]; readonly isKnown: boolean }> {
  const isOwn = "owner" in target ? target.owner === by.sub : target.family === by.family;
  if (by.role !== "operator" && !isOwn) throw roleInsufficient();
  const revokedAtMs = deps.clock.wall();
  const times = { revokedAtMs, forgetAtMs: revokedAtMs + revocationMs };
  const [kind, id] = "owner" in target
    ? ["owner" as const, target.owner]
    : ["family" as const, target.family];
  await deps.store.revoke({ kind, id, owner: kind === "owner" ? id : by.sub, ...times });
  const tunnels = kind === "owner" ? await deps.store.tunnelsOf(id) : [];
  const tunnelIds = tunnels.map(({ tunnelId }) => tunnelId);
  const isKnown = isOwn || tunnelIds.length > 0 || isForeignSubject(id) ||
    await deps.store.knowsFamily(target);
  deps.events.onRevoked?.(kind === "owner" ? id : undefined, tunnelIds);
  const detail = { kind, tunnels: tunnelIds.length };
  await audit(deps, {
    actor: by.sub,
    action: "token.revoke",
    subject: id,
    detail,
  });
  return { tunnelIds, isKnown };
}

function familyStartMs({ family_start }: Pick<ManagementClaims, "family_start">): number {
  return Math.round(family_start * 1_000);
}

function revoked(kind: string): PosternError {
  return new PosternError("token_revoked", `Cannot accept ${kind} token: it was revoked`, {
    detail: { token: kind },
  });
}

function roleInsufficient(): PosternError {
  return new PosternError("role_insufficient", "Cannot serve request: only an operator may do this");
}

export function authorizationRequired(): PosternError {
  return new PosternError("authorization_required", "Cannot serve request: it carries no token");
}

/** What control demands of the tokens that it takes itself. */
export function expectationOf(deps: Pick<ControlDeps, "config" | "clock">) {
  return {
    audience: controlAudience,
    issuer: deps.config.issuer,
    nowMs: deps.clock.wall(),
    clockSkewMs: deps.config.tokens.clockSkewMs,
  };
}

/** Administrators are named in the audit log with this before their name; no owner is. */
export const adminPrefix = "admin:";

/** Owners of anonymous tunnels begin with this; no account does. */
export const anonymousPrefix = "anonymous:";

function ambiguous(kind: string): PosternError {
  return new PosternError(
    "credentials_ambiguous",
    `Cannot serve request: it carries two different ${kind} tokens`,
  );
}
