/** Codes by which control refuses a token, and what an agent makes of them. */
import type { ErrorCode } from "../src/errors/mod.ts";

/** The token itself is not good, and no wait makes it so. */
const BAD_TOKEN: readonly ErrorCode[] = [
  "token_bad_signature",
  "token_claims_invalid",
  "token_expired",
  "token_malformed",
  "token_too_large",
  "token_unknown_key",
  "token_wrong_algorithm",
  "token_wrong_audience",
  "token_wrong_issuer",
  "token_wrong_type",
];

/** Refusals of a token, be it the recreate token or the management token that went with it. */
export const TOKEN_IS_REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...BAD_TOKEN,
  "token_not_yet_valid",
]);

/** Refusals after which the stored recreate token is of no use: without it a new attempt may succeed. */
export const TOKEN_IS_SPENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...TOKEN_IS_REFUSED,
  "tunnel_gone",
  "name_mismatch",
  "protocol_mismatch",
]);

/** What no attempt changes as long as the agent has the management token that it has. */
export const TOKEN_IS_OF_NO_USE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...BAD_TOKEN,
  "authorization_required",
  "token_revoked",
]);
