/**
 * Numbers of TCG "TPM 2.0 Library, Part 2: Structures" (section named at each table) and of the TCG Algorithm Registry.
 */

/** TPM_ALG_ID (6.3). */
export const TpmAlg = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  sm3_256: 0x0012,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecc: 0x0023,
  sha3_256: 0x0027,
  sha3_384: 0x0028,
  sha3_512: 0x0029,
  cfb: 0x0043,
} as const;

/** TPM_ECC_CURVE (6.4): the curves that are strong enough and that every verifier has. */
export const TpmEccCurve = { p256: 0x0003, p384: 0x0004 } as const;

/** TPM_GENERATED_VALUE (6.2): `\xffTCG`. A restricted key signs it only when the TPM itself made the structure. */
export const tpmGenerated = 0xff54_4347;

/** TPM_ST (6.9). */
export const TpmSt = {
  noSessions: 0x8001,
  sessions: 0x8002,
  attestCertify: 0x8017,
  attestQuote: 0x8018,
} as const;

/** TPM_RH (7.4): permanent handles. */
export const TpmRh = {
  owner: 0x4000_0001,
  null: 0x4000_0007,
  /** TPM_RS_PW: an authorization by password, which has no session. */
  password: 0x4000_0009,
  endorsement: 0x4000_000b,
  platform: 0x4000_000c,
} as const;

/** TPM_HR (7.5): first handle of each range. */
export const TpmHr = {
  nvIndex: 0x0100_0000,
  hmacSession: 0x0200_0000,
  policySession: 0x0300_0000,
  transient: 0x8000_0000,
  persistent: 0x8100_0000,
} as const;

/** TPMA_OBJECT (8.3): attributes of a key, one bit each. */
export const TpmObject = {
  fixedTPM: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDA: 1 << 10,
  encryptedDuplication: 1 << 11,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;
