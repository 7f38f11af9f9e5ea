/** Signatures of certificates. */
import { type Certificate, signatureHolds } from "../attestation/ek/mod.ts";

/**
 * What was found to hold, for as long as both are in memory: a channel that stands is judged again and again, and of all that is
 * judged a signature alone cannot change. Nothing is remembered of those that do not hold.
 */
const holding = new WeakMap<Certificate, WeakSet<Certificate>>();

/** Whether the authority's key signed the certificate. Names, times and uses are for the caller to judge. */
export function isSignedBy(certificate: Certificate, authority: Certificate): boolean {
  const signers = holding.get(certificate);
  if (signers?.has(authority) === true) return true;
  const { algorithm, signed, signature } = certificate;
  if (!signatureHolds(algorithm, authority.key, signed, signature)) return false;
  if (signers === undefined) holding.set(certificate, new WeakSet([authority]));
  else signers.add(authority);
  return true;
}
