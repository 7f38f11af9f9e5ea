/** Identity: tokens, their claims, and the keys that sign them. */
export {
  type AdminClaims,
  type AttachClaims,
  base64Url32,
  type ManagementClaims,
  maxFamilySeconds,
  maxWeight,
  protocolSchema,
  type RecreateClaims,
  type Role,
  roleSchema,
  satisfiesTier,
  type Stage0Claims,
  type Stage1Claims,
  type Tier,
  tierSchema,
  type Transport,
  transportSchema,
  type TunnelProtocol,
} from "./claims.ts";
export { readHmacSecrets } from "./hmac_secrets.ts";
export { readJwks } from "./jwks.ts";
export {
  type Jwks,
  type KeyPair,
  keyPairOfSeed,
  type PinnedKey,
  type PublicJwk,
  type SigningKeys,
  type VerificationKeys,
} from "./keys.ts";
export { defaultRotation, Keyset, type KeysetRecord, type RotationPolicy } from "./keyset.ts";
export { assertTierHeld, matchReauth, reauthLifeMs } from "./reauthentication.ts";
export { spendToken } from "./spend.ts";
export { type ChannelFacts, matchStages, type StageRoutes } from "./stages.ts";
export {
  acceptClaims,
  claimedKind,
  type ClaimsOf,
  clockSkewSeconds,
  type Expectation,
  type Issue,
  type IssuedToken,
  maxTokenChars,
  readUnverified,
  type TokenClaim,
  type TokenKind,
  verifyPinned,
} from "./token.ts";
export {
  type Draft,
  issueAdmin,
  issueAttach,
  issueManagement,
  issueReauth,
  issueRecreate,
  issueStage0,
  issueStage1,
  minRecreateTtlSeconds,
  verifyAdmin,
  verifyAttach,
  verifyManagement,
  verifyReauth,
  verifyRecreate,
  verifyStage0,
  verifyStage1,
} from "./tokens.ts";
