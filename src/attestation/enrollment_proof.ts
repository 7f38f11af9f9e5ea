/**
 * The proof that a TPM holds both keys of an enrollment: only the TPM of the EK gives out the secret, and only while the AK
 * of that name is in it (TPM 2.0 Library, Part 1, 24). The secret itself is never sent.
 *
 * ```
 * HMAC-SHA-256(secret, SHA-256 of, for each field in this order,  u32 big-endian length | bytes)
 *   context           "postern/enroll/v1"
 *   nonce             32 bytes, from control, new for each enrollment
 *   enrollment_id     UTF-8
 *   agent_id          UTF-8
 *   ak_name           nameAlg and digest of the AK
 * ```
 */
import { createHash, createHmac } from "node:crypto";
import { utf8 } from "../bytes/mod.ts";

const context = "postern/enroll/v1";
/** Bytes of the nonce and of the secret. */
const secretBytes = 32;

export interface EnrollmentFacts {
  readonly nonce: Uint8Array;
  readonly enrollmentId: string;
  readonly agentId: string;
  readonly akName: Uint8Array;
}

/** 32 bytes. Throws RangeError when secret or nonce is not 32 bytes: an empty one must never prove anything. */
export function enrollmentProof(secret: Uint8Array, facts: EnrollmentFacts): Uint8Array<ArrayBuffer> {
  for (const bytes of [secret, facts.nonce]) {
    if (bytes.length !== secretBytes) {
      throw new RangeError(`Cannot prove enrollment: secret or nonce has ${bytes.length} bytes`);
    }
  }
  const hash = createHash("sha256");
  const fields = [utf8(context), facts.nonce, utf8(facts.enrollmentId), utf8(facts.agentId), facts.akName];
  for (const field of fields) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, field.length);
    hash.update(length).update(field);
  }
  return new Uint8Array(createHmac("sha256", secret).update(hash.digest()).digest());
}
