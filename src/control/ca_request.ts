/**
 * Issuing CAs whose root is offline: a key is made here, its request goes to where the root is, and the certificate comes back.
 *
 * ```
 *   control                            where the root's key is
 *   requestIssuing()  -- request -->   signed by `postern ca sign`, or by other means
 *   importIssuing()   <- certificate --
 *   a rotation to it begins
 * ```
 */
import { PosternError } from "../errors/mod.ts";
import { checkIssuingCertificate, makeCsr, readNodeCertificate } from "../pki/mod.ts";
import type { Rotation } from "./authority_state.ts";
import { type RotationDeps, startRotation } from "./ca_rotation.ts";

/** What the request says that it is for; a hint for who signs it. */
const requestedAs = { role: "control", id: "issuing-ca" } as const;

/** The request of the key that waits here, PKCS #10 in DER; asked again it is the same. Throws `state_unwritable`. */
export async function requestIssuing(deps: RotationDeps, by: string): Promise<Uint8Array> {
  const { trustDomain } = deps.identities;
  const request = await deps.identities.request((keys) => makeCsr(keys, { trustDomain, ...requestedAs }));
  await deps.store.appendAudit({
    atMs: deps.clock.wall(),
    actor: by,
    action: "ca.request",
    subject: trustDomain,
    outcome: "ok",
    detail: {},
  });
  return request;
}

/**
 * Begins a rotation to an issuing CA that was certified elsewhere.
 * @param bytes DER
 * @throws PosternError `peer_certificate_malformed`, `peer_key_unsupported`, `ca_certificate_refused`, and what starting a rotation
 * throws
 */
export async function importIssuing(deps: RotationDeps, by: string, bytes: Uint8Array): Promise<Rotation> {
  const certificate = readNodeCertificate(bytes);
  await deps.identities.refresh(0);
  if (deps.identities.state.rotation !== undefined) {
    throw new PosternError("ca_rotation_running", "Cannot take the issuing CA: a rotation is under way");
  }
  const { roots, issuers } = deps.identities.bundle;
  // The certificate that issues now is public, and its key is here: a rotation from itself to itself would never end well.
  if (issuers.some((one) => one.certificate.keySha256 === certificate.keySha256)) {
    throw new PosternError(
      "ca_certificate_refused",
      "Cannot take the issuing CA: one of its key is in the trust bundle already",
      { detail: { sha256: certificate.sha256 } },
    );
  }
  checkIssuingCertificate(certificate, roots, deps.clock.wall());
  if (!await deps.identities.adopt(bytes)) {
    throw new PosternError(
      "ca_certificate_refused",
      "Cannot take the issuing CA: it is not for the key that waits at this control",
      { detail: { sha256: certificate.sha256 } },
    );
  }
  return await startRotation(deps, by, "issuing", certificate);
}
