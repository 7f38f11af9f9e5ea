/** Certifications: that a key is in the same TPM as the attestation key (Part 3, 18.2). */
import { equalConstantTime } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type Attested, factsOf, type TpmFacts, verifyAttested } from "./attested.ts";

/** A certification, and what the verifier knows. */
export interface CertifyClaim extends Attested {
  /** TPMS_ATTEST. */
  readonly certification: Uint8Array;
  /** Name of the key that has to be certified, computed by the verifier from the key's public area. */
  readonly name: Uint8Array;
}

/**
 * Verifies that the attestation key certifies the key with this name. Throws `certify_expected` for a quote,
 * `certify_name_wrong` for another key, and what {@link verifyQuote} throws of key, signature, structure and binding.
 */
export function verifyCertify(claim: CertifyClaim): TpmFacts {
  const { attest } = verifyAttested(claim.certification, claim);
  if (attest.type !== "certify") {
    throw new PosternError("certify_expected", "Cannot accept certification: it is a quote");
  }
  if (!equalConstantTime(attest.name, claim.name)) {
    throw new PosternError("certify_name_wrong", "Cannot accept certification: it is of another key");
  }
  return factsOf(attest);
}
