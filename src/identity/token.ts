/** Signing (EdDSA) and checking of compact JWTs (RFC 7519): what all kinds of token share. */
import { CompactSign, compactVerify, decodeProtectedHeader, errors } from "jose";
import type { z } from "zod";
import { fromBase64Url, toBase64Url, utf8, utf8Decode } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";
import {
  type AdminClaims,
  adminSchema,
  type AttachClaims,
  attachSchema,
  type ManagementClaims,
  managementSchema,
  type ReauthClaims,
  reauthSchema,
  type RecreateClaims,
  recreateSchema,
  type Stage0Claims,
  stage0Schema,
  type Stage1Claims,
  stage1Schema,
} from "./claims.ts";
import type { PinnedKey, SigningKeys, VerificationKeys } from "./keys.ts";

/** Longest token that is looked at, in characters. */
export const maxTokenChars = 8_192;
/** Clock difference between issuer and verifier that is forgiven, both ways. */
export const clockSkewSeconds = 30;

/** Kinds of token by the `typ` of their header (RFC 8725 3.11): none can stand in for another. */
const TOKEN_KINDS = {
  //           header typ                     longest life that is believed  schema of the claims
  stage0: { typ: "postern-stage0+jwt", maxLifetimeSeconds: 600, schema: stage0Schema },
  stage1: { typ: "postern-stage1+jwt", maxLifetimeSeconds: 600, schema: stage1Schema },
  // An interval of a day with its jitter, a day that is put off, an hour of grace.
  reauth: { typ: "postern-reauth+jwt", maxLifetimeSeconds: 259_200, schema: reauthSchema },
  recreate: { typ: "postern-recreate+jwt", maxLifetimeSeconds: 2_592_000, schema: recreateSchema },
  management: { typ: "postern-management+jwt", maxLifetimeSeconds: 2_592_000, schema: managementSchema },
  admin: { typ: "postern-admin+jwt", maxLifetimeSeconds: 3_600, schema: adminSchema },
  attach: { typ: "postern-attach+jwt", maxLifetimeSeconds: 600, schema: attachSchema },
} as const;

export type TokenKind = keyof typeof TOKEN_KINDS;

/** Claims of each kind. */
export interface ClaimsOf {
  stage0: Stage0Claims;
  stage1: Stage1Claims;
  reauth: ReauthClaims;
  recreate: RecreateClaims;
  management: ManagementClaims;
  admin: AdminClaims;
  attach: AttachClaims;
}

/** What a verifier demands. */
export interface Expectation {
  /** One of these must be in `aud`. */
  readonly audience: string | readonly string[];
  readonly issuer: string;
  /** Wall clock, Unix milliseconds. */
  readonly nowMs: number;
  /** Clock difference that is forgiven; {@link clockSkewSeconds} unless given. */
  readonly clockSkewMs?: number;
}

/** Time and randomness of one issue. */
export interface Issue {
  /** Wall clock, Unix milliseconds. */
  readonly nowMs: number;
  readonly random: Random;
  /** Life of the token in seconds. */
  readonly ttlSeconds: number;
}

/** A signed token with the two facts its issuer keeps. */
export interface IssuedToken {
  readonly token: string;
  readonly jti: string;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

type Unregistered<K extends TokenKind> = Omit<
  z.input<(typeof TOKEN_KINDS)[K]["schema"]>,
  "iat" | "exp" | "jti"
>;

/** Signs claims of one kind; sets `iat`, `exp` and a fresh `jti`. Throws `token_claims_invalid` on claims out of form. */
export async function issueToken<K extends TokenKind>(
  kind: K,
  claims: Unregistered<K>,
  keys: SigningKeys,
  issue: Issue,
): Promise<IssuedToken> {
  const { typ, schema } = TOKEN_KINDS[kind];
  const iat = Math.floor(issue.nowMs / 1_000);
  const jti = toBase64Url(issue.random(16));
  const whole = checkClaims(kind, schema, { ...claims, iat, exp: iat + issue.ttlSeconds, jti });
  const { kid, privateKey } = keys.signingKey();
  const token = await new CompactSign(utf8(JSON.stringify(whole)))
    .setProtectedHeader({ alg: "EdDSA", typ, kid })
    .sign(privateKey);
  return { token, jti, expiresAtMs: whole.exp * 1_000 };
}

/** The kind that a token's header claims, without any check; undefined for other types. Never trust it alone. */
export function claimedKind(token: string): TokenKind | undefined {
  const typ = readHeader(token).typ;
  return (Object.keys(TOKEN_KINDS) as TokenKind[]).find((kind) => TOKEN_KINDS[kind].typ === typ);
}

/**
 * Checks header, signature, form of the claims, issuer, audience and times, in this order, each with its own code.
 * Single use is not checked here: it needs a store.
 */
export async function verifyToken<K extends TokenKind>(
  kind: K,
  token: string,
  keys: VerificationKeys,
  expect: Expectation,
): Promise<ClaimsOf[K]> {
  const { alg, kid } = readKindOf(kind, token);
  if (alg !== "EdDSA") throw refused("token_wrong_algorithm", kind, "its algorithm is not EdDSA");
  const key = kid === undefined ? undefined : keys.publicKey(kid);
  if (key === undefined) throw refused("token_unknown_key", kind, "no published key has its key id");
  return await verifyPinned(kind, token, [{ alg: "EdDSA", key }], expect);
}

/** What a token says of itself before anything of it was checked. Peer text: good for choosing who is asked, no more. */
export interface TokenClaim {
  readonly alg: string | undefined;
  readonly kid: string | undefined;
  readonly issuer: string | undefined;
  /** The rest of its payload. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Reads form and type only. Throws `token_too_large`, `token_malformed`, `token_wrong_type`. */
export function readUnverified(kind: TokenKind, token: string): TokenClaim {
  const { alg, kid } = readKindOf(kind, token);
  const payload = parseJson(kind, fromBase64Url(token.split(".")[1]));
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw refused("token_malformed", kind, "its payload is not a JSON object");
  }
  const claims = payload as Record<string, unknown>;
  const issuer = typeof claims.iss === "string" ? claims.iss : undefined;
  return { alg, kid, issuer, payload: claims };
}

/**
 * As {@link verifyToken}, by keys that were chosen already: the token has to name the algorithm of the keys, which are of
 * one algorithm, and one of them has to fit.
 */
export async function verifyPinned<K extends TokenKind>(
  kind: K,
  token: string,
  keys: readonly PinnedKey[],
  expect: Expectation,
): Promise<ClaimsOf[K]> {
  const { alg } = readKindOf(kind, token);
  const fitting = keys.filter((key) => key.alg === alg);
  if (fitting.length === 0) {
    throw refused("token_wrong_algorithm", kind, "its algorithm is not the one of its key");
  }
  const payload = await openSignature(kind, token, fitting);
  return acceptClaims(kind, parseJson(kind, payload), expect);
}

/**
 * Checks claims whose origin is beyond doubt: form, issuer, audience and times. Throws `token_claims_invalid`,
 * `token_wrong_issuer`, `token_wrong_audience`, `token_not_yet_valid`, `token_expired`.
 */
export function acceptClaims<K extends TokenKind>(kind: K, value: unknown, expect: Expectation): ClaimsOf[K] {
  const claims = checkClaims(kind, TOKEN_KINDS[kind].schema, value);
  checkRegistered(kind, claims, expect);
  return claims;
}

function readKindOf(kind: TokenKind, token: string): { alg: string | undefined; kid: string | undefined } {
  const { alg, typ, kid } = readHeader(token);
  if (typ !== TOKEN_KINDS[kind].typ) throw refused("token_wrong_type", kind, "its header names another type");
  return {
    alg: typeof alg === "string" ? alg : undefined,
    kid: typeof kid === "string" ? kid : undefined,
  };
}

function readHeader(token: string): { alg?: unknown; typ?: unknown; kid?: unknown } {
  if (token.length > maxTokenChars) {
    throw new PosternError(
      "token_too_large",
      `Cannot read token: it is longer than ${maxTokenChars} characters`,
    );
  }
  const parts = token.split(".");
  // One token, one text: a signature with loose bits or padding would be the same token under another name.
  if (parts.length !== 3 || !parts.every(isCanonical)) {
    throw new PosternError("token_malformed", "Cannot read token: it is not three base64url parts");
  }
  try {
    return decodeProtectedHeader(token);
  } catch (cause) {
    throw new PosternError("token_malformed", "Cannot read token: its header is not a JWT header", { cause });
  }
}

function isCanonical(part: string): boolean {
  try {
    fromBase64Url(part);
    return true;
  } catch {
    return false;
  }
}

async function openSignature(
  kind: TokenKind,
  token: string,
  keys: readonly PinnedKey[],
): Promise<Uint8Array> {
  let mismatch: unknown;
  for (const { alg, key } of keys) {
    try {
      return (await compactVerify(token, key, { algorithms: [alg] })).payload;
    } catch (cause) {
      // jose reports what it cannot parse as JOSEError or TypeError, by the part that was bad.
      if (!(cause instanceof errors.JWSSignatureVerificationFailed)) {
        throw refused("token_malformed", kind, "it is not a compact JWS", cause);
      }
      mismatch = cause;
    }
  }
  throw refused("token_bad_signature", kind, "its signature does not hold", mismatch);
}

function parseJson(kind: TokenKind, payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Decode(payload));
  } catch (cause) {
    throw refused("token_malformed", kind, "its payload is not JSON", cause);
  }
}

function checkClaims<K extends TokenKind>(kind: K, schema: z.ZodType, value: unknown): ClaimsOf[K] {
  const result = schema.safeParse(value);
  if (!result.success) {
    const claim = result.error.issues[0].path.join(".") || "(payload)";
    throw refused("token_claims_invalid", kind, `claim ${claim} is missing or out of form`, undefined, claim);
  }
  const claims = result.data as ClaimsOf[K];
  const lifetime = claims.exp - claims.iat;
  if (lifetime <= 0 || lifetime > TOKEN_KINDS[kind].maxLifetimeSeconds) {
    throw refused("token_claims_invalid", kind, "its lifetime is out of range", undefined, "exp");
  }
  return claims;
}

function checkRegistered(kind: TokenKind, claims: ClaimsOf[TokenKind], expect: Expectation): void {
  if (claims.iss !== expect.issuer) throw refused("token_wrong_issuer", kind, "it is from another issuer");
  const named = typeof claims.aud === "string" ? [claims.aud] : claims.aud;
  const wanted = typeof expect.audience === "string" ? [expect.audience] : expect.audience;
  if (!named.some((audience) => wanted.includes(audience))) {
    throw refused("token_wrong_audience", kind, "it is for another audience");
  }
  const nowSeconds = expect.nowMs / 1_000;
  const skewSeconds = expect.clockSkewMs === undefined ? clockSkewSeconds : expect.clockSkewMs / 1_000;
  if (Math.max(claims.iat, claims.nbf ?? 0) > nowSeconds + skewSeconds) {
    throw refused("token_not_yet_valid", kind, "it begins in the future");
  }
  if (claims.exp + skewSeconds <= nowSeconds) throw refused("token_expired", kind, "it has expired");
}

function refused(
  code:
    | "token_malformed"
    | "token_wrong_algorithm"
    | "token_wrong_type"
    | "token_unknown_key"
    | "token_bad_signature"
    | "token_claims_invalid"
    | "token_wrong_issuer"
    | "token_wrong_audience"
    | "token_not_yet_valid"
    | "token_expired",
  kind: TokenKind,
  state: string,
  cause?: unknown,
  claim?: string,
): PosternError {
  const detail: Record<string, string> = claim === undefined ? { token: kind } : { token: kind, claim };
  return new PosternError(code, `Cannot accept ${kind} token: ${state}`, { cause, detail });
}
