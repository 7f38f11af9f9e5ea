/** Who is asking: the tokens of a request, verified. */
import { PosternError } from "../errors/mod.ts";
import {
  claimedKind,
  type IssuedToken,
  issueManagement,
  type ManagementClaims,
  type RecreateClaims,
  type Role,
  verifyManagement,
  verifyRecreate,
} from "../identity/mod.ts";
import { controlAudience, type ControlDeps } from "./config.ts";

/** Kind under which the ids of revoked management tokens are remembered. */
const revokedKind = "management-revoked";

export interface Credentials {
  readonly management?: ManagementClaims;
  readonly recreate?: RecreateClaims;
}

type AuthorityDeps = Pick<ControlDeps, "store" | "keyset" | "clock" | "config">;

/** The token of an Authorization header; undefined without one. Throws `authorization_malformed`. */
export function bearerOf(header: string | undefined): string | undefined {
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
    } else {
      if (management !== undefined) throw ambiguous("management");
      management = await verifyManagement(token, deps.keyset, expect);
      if (await deps.store.wasConsumed(revokedKind, management.jti)) {
        throw new PosternError("token_revoked", "Cannot accept management token: it was revoked");
      }
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

/** Issues a management token of the configured life for an owner: by refresh, or by whoever sets a deployment up. */
export function issueManagementToken(
  deps: Pick<ControlDeps, "keyset" | "clock" | "config" | "random">,
  owner: string,
  role: Role = "member",
): Promise<IssuedToken> {
  const { config, clock, random, keyset } = deps;
  if (owner.startsWith(anonymousPrefix)) {
    throw new RangeError("Cannot issue management token: the owner is anonymous");
  }
  return issueManagement({ iss: config.issuer, aud: controlAudience, sub: owner, role }, keyset, {
    nowMs: clock.wall(),
    random,
    ttlSeconds: Math.floor(config.tokens.managementMs / 1_000),
  });
}

/** Ends a management token before its expiry. */
export async function revokeManagementToken(
  deps: Pick<ControlDeps, "store">,
  claims: ManagementClaims,
): Promise<void> {
  await deps.store.consumeOnce(revokedKind, claims.jti, claims.exp * 1_000);
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

/** Owners of anonymous tunnels begin with this; no account does. */
export const anonymousPrefix = "anonymous:";

function ambiguous(kind: string): PosternError {
  return new PosternError(
    "credentials_ambiguous",
    `Cannot serve request: it carries two different ${kind} tokens`,
  );
}
