/** Issue and verify, one pair of functions a kind. See {@link issueToken} and {@link verifyToken} for the codes. */
import type {
  AdminClaims,
  AttachClaims,
  ManagementClaims,
  ReauthClaims,
  RecreateClaims,
  Stage0Claims,
  Stage1Claims,
} from "./claims.ts";
import type { SigningKeys, VerificationKeys } from "./keys.ts";
import { type Expectation, type Issue, type IssuedToken, issueToken, verifyToken } from "./token.ts";

/** Shortest life that a caller may ask of a recreate token; the longest is configured. */
export const minRecreateTtlSeconds = 60;

/** Claims that the caller supplies; `iat`, `exp` and `jti` are set here. */
export type Draft<Claims> = Omit<Claims, "iat" | "exp" | "jti">;

export function issueStage0(
  claims: Draft<Stage0Claims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("stage0", claims, keys, issue);
}

export function verifyStage0(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<Stage0Claims> {
  return verifyToken("stage0", token, keys, expect);
}

export function issueStage1(
  claims: Draft<Stage1Claims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("stage1", claims, keys, issue);
}

export function verifyStage1(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<Stage1Claims> {
  return verifyToken("stage1", token, keys, expect);
}

export function issueReauth(
  claims: Draft<ReauthClaims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("reauth", claims, keys, issue);
}

export function verifyReauth(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<ReauthClaims> {
  return verifyToken("reauth", token, keys, expect);
}

export function issueRecreate(
  claims: Draft<RecreateClaims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("recreate", claims, keys, issue);
}

export function verifyRecreate(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<RecreateClaims> {
  return verifyToken("recreate", token, keys, expect);
}

export function issueManagement(
  claims: Draft<ManagementClaims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("management", claims, keys, issue);
}

export function verifyManagement(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<ManagementClaims> {
  return verifyToken("management", token, keys, expect);
}

export function issueAdmin(
  claims: Draft<AdminClaims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("admin", claims, keys, issue);
}

export function verifyAdmin(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<AdminClaims> {
  return verifyToken("admin", token, keys, expect);
}

export function issueAttach(
  claims: Draft<AttachClaims>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  return issueToken("attach", claims, keys, issue);
}

export function verifyAttach(
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<AttachClaims> {
  return verifyToken("attach", token, keys, expect);
}
