/**
 * What quotes and certifications have in common. In this order, so that nothing is believed before it is signed:
 *
 * 1. the key is an attestation key ({@link checkAkPublic}), every time: a record of it is not proof enough;
 * 2. the signature is of the key's own scheme and hash, not degenerate, and covers the attested bytes as they came;
 * 3. the bytes are TPMS_ATTEST, made by a TPM;
 * 4. the signer is this key, in the hierarchy that it should be in;
 * 5. the qualifying data is the verifier's.
 */
import { constants, verify } from "node:crypto";
import { concat, equalConstantTime } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type TpmAttest, TPMS_ATTEST } from "./attest.ts";
import { type AttestationKey, checkAkPublic } from "./attestation_key.ts";
import { decodeTpm } from "./octets.ts";
import { endorsementHierarchy, FIELD_BYTES, qualifiedName } from "./public_area.ts";
import { type TpmSignature, TPMT_SIGNATURE } from "./signature.ts";

/** What a TPM signed, as it came, and what the verifier knows. */
export interface Attested {
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  /** TPMT_PUBLIC of the attestation key, from the verifier's own record. */
  readonly akPublic: Uint8Array;
  /** What the verifier asked to be signed: never empty. */
  readonly qualifyingData: Uint8Array;
  /** Qualified name of the attestation key's parent. Unless given the key is a primary of the endorsement hierarchy. */
  readonly akParent?: Uint8Array;
}

/** What a verified attestation tells of its TPM. */
export interface TpmFacts {
  /** TPM resets (power cycles). */
  readonly resetCount: number;
  /** Restarts and resumes since the last reset. */
  readonly restartCount: number;
  /** Milliseconds that the TPM was powered, over all its life. */
  readonly clockMs: number;
  /** False for a while after an unorderly shutdown. */
  readonly safe: boolean;
  /** 16 lower-case hex digits; what they mean is the vendor's. */
  readonly firmwareVersion: string;
}

/** @param attested TPMS_ATTEST. Throws what stands at {@link verifyQuote}, up to the qualifying data. */
export function verifyAttested(
  attested: Uint8Array,
  { signature, akPublic, qualifyingData, akParent = endorsementHierarchy() }: Attested,
): { readonly ak: AttestationKey; readonly attest: TpmAttest } {
  if (qualifyingData.length === 0) throw new RangeError("Cannot verify attestation: nothing was asked");
  const ak = checkAkPublic(akPublic);
  verifySignature(ak, attested, decodeTpm(TPMT_SIGNATURE, signature));
  const attest = decodeTpm(TPMS_ATTEST, attested);
  if (!equalConstantTime(attest.qualifiedSigner, qualifiedName(ak.publicArea, akParent))) {
    throw new PosternError(
      "attest_signer_wrong",
      "Cannot accept attestation: its signer is in another hierarchy",
    );
  }
  if (attest.extraData.length === 0) {
    throw new PosternError("attest_nonce_empty", "Cannot accept attestation: it is bound to nothing");
  }
  if (!equalConstantTime(attest.extraData, qualifyingData)) {
    throw new PosternError("attest_nonce_wrong", "Cannot accept attestation: it is bound to something else");
  }
  return { ak, attest };
}

/** The facts that every kind of attestation carries. */
export function factsOf({ clockInfo, firmwareVersion }: TpmAttest): TpmFacts {
  return { ...clockInfo, firmwareVersion: firmwareVersion.toString(16).padStart(16, "0") };
}

/** Throws `tpm_signature_scheme_wrong`, `tpm_signature_degenerate`, `tpm_signature_invalid`. */
function verifySignature(ak: AttestationKey, data: Uint8Array, signature: TpmSignature): void {
  const { scheme } = ak;
  if (signature.algorithm !== scheme.algorithm || signature.hash !== scheme.hash) {
    throw new PosternError(
      "tpm_signature_scheme_wrong",
      `Cannot accept signature: it is ${signature.algorithm} with ${signature.hash}, its key signs with ` +
        `${scheme.algorithm} and ${scheme.hash}`,
    );
  }
  let holds = false;
  try {
    holds = check(ak, data, signature);
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw invalid(cause);
  }
  if (!holds) throw invalid();
}

function check({ key, publicArea }: AttestationKey, data: Uint8Array, signature: TpmSignature): boolean {
  if (signature.algorithm === "ecdsa") {
    if (publicArea.type !== "ecc") return false;
    const { r, s, hash } = signature;
    if (isZero(r) || isZero(s)) {
      throw new PosternError("tpm_signature_degenerate", "Cannot accept signature: r or s is zero");
    }
    const bytes = FIELD_BYTES[publicArea.curve];
    if (r.length > bytes || s.length > bytes) return false;
    // IEEE P1363: r and s padded to the width of the field, one after the other.
    const raw = concat(new Uint8Array(bytes - r.length), r, new Uint8Array(bytes - s.length), s);
    return verify(hash, data, { key, dsaEncoding: "ieee-p1363" }, raw);
  }
  if (publicArea.type !== "rsa" || signature.signature.length !== publicArea.keyBits / 8) return false;
  if (signature.algorithm === "rsassa") {
    return verify(signature.hash, data, { key, padding: constants.RSA_PKCS1_PADDING }, signature.signature);
  }
  // Part 1, B.7: the salt is as long as the hash, or as what fits, by revision and mode of the TPM.
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  return verify(signature.hash, data, { key, ...padding }, signature.signature);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function invalid(cause?: unknown): PosternError {
  return new PosternError("tpm_signature_invalid", "Cannot accept signature: it does not hold", { cause });
}
