/**
 * What evidence signs (a TPM's qualifyingData): one hash over everything that it is to be bound to.
 *
 * ```
 * SHA-256 of, for each field in this order,  u32 big-endian length | bytes
 *   context           "postern/evidence/v1"
 *   purpose           "channel-open" or "channel-reauth"
 *   session_nonce     32 bytes, from the edge, new for each channel and each re-authentication
 *   authority_nonce   32 bytes, from control, new for each challenge
 *   handshake_hash    32 bytes, the Noise channel binding
 *   agent_static      32 bytes, the agent's Noise static public key
 *   agent_id          UTF-8
 *   policy_version    UTF-8, "policy@version"
 * ```
 * The lengths make the encoding unambiguous: no two different lists of fields hash the same bytes.
 */
import { createHash } from "node:crypto";
import { utf8 } from "../bytes/mod.ts";

const context = "postern/evidence/v1";

/** What the evidence is to be good for. */
export type EvidencePurpose = "channel-open" | "channel-reauth";

/** Bytes of each nonce, hash and key. */
const bindingBytes = 32;

export interface QualifyingFacts {
  readonly purpose: EvidencePurpose;
  readonly sessionNonce: Uint8Array;
  readonly authorityNonce: Uint8Array;
  readonly handshakeHash: Uint8Array;
  readonly agentStatic: Uint8Array;
  readonly agentId: string;
  /** `policy@version`. */
  readonly policyVersion: string;
}

/** 32 bytes. Throws RangeError when a nonce, hash or key is not 32 bytes: an empty nonce must never be signed. */
export function qualifyingData(facts: QualifyingFacts): Uint8Array<ArrayBuffer> {
  const hash = createHash("sha256");
  const add = (field: Uint8Array) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, field.length);
    hash.update(length).update(field);
  };
  add(utf8(context));
  add(utf8(facts.purpose));
  for (const field of [facts.sessionNonce, facts.authorityNonce, facts.handshakeHash, facts.agentStatic]) {
    if (field.length !== bindingBytes) {
      throw new RangeError(`Cannot bind evidence: a nonce, hash or key has ${field.length} bytes`);
    }
    add(field);
  }
  add(utf8(facts.agentId));
  add(utf8(facts.policyVersion));
  return new Uint8Array(hash.digest());
}
