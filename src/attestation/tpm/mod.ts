/** TPM 2.0 structures (TCG "TPM 2.0 Library, Part 2"): strict codec, names and keys; and what TPMs attest, verified. Pure: no TPM is
 * talked to. */
export {
  maxExtraDataBytes,
  type TpmAttest,
  type TpmCertifyAttest,
  type TpmClockInfo,
  type TpmQuoteAttest,
  TPMS_ATTEST,
  TPMS_CLOCK_INFO,
} from "./attest.ts";
export { TpmAlg, TpmEccCurve, tpmGenerated, TpmHr, TpmObject, TpmRh, TpmSt } from "./constants.ts";
export { isOnCurve } from "./curve.ts";
export { DIGEST_BYTES, maxDigestBytes, maxNameBytes, type TpmBank, type TpmHash, tpmHash } from "./hash.ts";
export { decodeTpm, encodeTpm, TpmReader, type TpmStructure, TpmWriter } from "./octets.ts";
export { TPML_DIGEST, TPML_PCR_SELECTION, type TpmPcrSelection } from "./pcr_lists.ts";
export {
  endorsementHierarchy,
  FIELD_BYTES,
  qualifiedName,
  type RsaSignatureAlgorithm,
  type SignatureAlgorithm,
  TPM2B_PUBLIC,
  type TpmCurve,
  type TpmEccPublic,
  tpmName,
  type TpmPublic,
  type TpmRsaPublic,
  type TpmScheme,
  type TpmSymmetric,
  TPMT_PUBLIC,
} from "./public_area.ts";
export {
  type TpmEcdsaSignature,
  type TpmRsaSignature,
  type TpmSignature,
  TPMT_SIGNATURE,
} from "./signature.ts";
export { spkiOf } from "./spki.ts";

export { type AttestationKey, checkAkPublic } from "./attestation_key.ts";
export type { Attested, TpmFacts } from "./attested.ts";
export { type CertifyClaim, verifyCertify } from "./certify.ts";
export { readTpmEvidence, type TpmEvidence, writeTpmEvidence } from "./evidence.ts";
export { type ClaimedPcrs, type QuoteClaim, type QuoteFacts, verifyQuote } from "./quote.ts";
