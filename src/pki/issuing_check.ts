/** An issuing CA's certificate that was made elsewhere, where the root's key is: what it has to be before nodes are told of it. */
import { type Certificate, endOf, KEY_USAGE } from "../attestation/ek/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { type AcceptedAuthority, isAccepted, rootOf } from "./trust_bundle.ts";

/** One that ends sooner is a mistake: nodes have to follow it by then. */
const minLifeMs = 86_400_000;
/** An empty sequence, DER. */
const NO_NAME = "3000";

/**
 * @param roots of the bundle that nodes hold
 * @throws PosternError `ca_certificate_refused`, with what is wrong about it
 */
export function checkIssuingCertificate(
  certificate: Certificate,
  roots: readonly AcceptedAuthority[],
  nowMs: number,
): void {
  const { basicConstraints, keyUsage } = certificate.extensions;
  const root = rootOf(certificate, roots);
  const state = root === undefined
    ? "no root of the trust bundle signed it"
    : !isAccepted(root, nowMs)
    ? "its root does not count any more"
    : basicConstraints?.isAuthority !== true || basicConstraints.maxBelow !== 0
    ? "it has to be an authority (CA:TRUE) with nothing but nodes below it (pathlen:0)"
    : !keyUsage?.has(KEY_USAGE.certificateSign) || !keyUsage.has(KEY_USAGE.digitalSignature)
    ? "its key usage has to be keyCertSign and digitalSignature"
    : certificate.subject === NO_NAME
    ? "it has no subject, which nodes find it by"
    : certificate.notBeforeMs > nowMs || endOf(certificate) < nowMs + minLifeMs
    ? "it is not valid now and for one day at least"
    : certificate.notAfterMs > root.certificate.notAfterMs
    ? "it is valid for longer than its root"
    : undefined;
  if (state === undefined) return;
  throw new PosternError("ca_certificate_refused", `Cannot take the issuing CA: ${state}`, {
    detail: { sha256: certificate.sha256 },
  });
}
