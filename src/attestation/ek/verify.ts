/** Whether an EK certificate is a trusted manufacturer's word for a TPM: everything that is checked, in one place. */
import { agentIdOf } from "../agent_id.ts";
import { PosternError } from "../../errors/mod.ts";
import { spkiOf, type TpmPublic } from "../tpm/mod.ts";
import { type Certificate, maxCertificateBytes, readCertificate } from "./certificate.ts";
import {
  checkCertificate,
  endOf,
  endorsementKeyUsage,
  findPath,
  maxChainCertificates,
  refusal,
} from "./chain.ts";
import { KEY_USAGE } from "./extensions.ts";
import { checkSaidPublic, ekPublicOf, type EkTemplateName, isEkTemplateName } from "./template.ts";
import { type TpmIdentity, tpmIdentityOf } from "./tpm_identity.ts";
import type { EkTrust } from "./trust.ts";

/** What a peer says of its endorsement key. */
export interface EkClaim {
  /** DER, the EK certificate first, then intermediates in any order. */
  readonly certificates: readonly Uint8Array[];
  /** Name of a template. */
  readonly template: string;
  /** The EK's public area as the peer has it, to be told early when certificate and key are not a pair. */
  readonly ekPublic?: TpmPublic;
}

/** An endorsement key that a trusted manufacturer put into a TPM. */
export interface VerifiedEk extends TpmIdentity {
  readonly template: EkTemplateName;
  /** Rebuilt from template and certificate. */
  readonly ekPublic: TpmPublic;
  /** DER SubjectPublicKeyInfo. */
  readonly ekSpki: Uint8Array<ArrayBuffer>;
  /** Of `ekSpki`, hex. */
  readonly ekSha256: string;
  /** Of the key: one EK is one agent. */
  readonly agentId: string;
  /** DER without padding. */
  readonly certificate: Uint8Array;
  /** SHA-256 of the certificate, hex. */
  readonly certificateSha256: string;
  /** SHA-256 of the root that the path ends at, hex. */
  readonly rootSha256: string;
}

/** A chain that holds: its two ends, and what the certificate says of its TPM. */
export interface EkChain {
  readonly leaf: Certificate;
  readonly root: Certificate;
  readonly identity: TpmIdentity;
  /** When all certificates of the path are valid: from the first moment on, until before the last. Unix milliseconds. */
  readonly notBeforeMs: number;
  readonly endsAtMs: number;
}

/**
 * Verifies an EK certificate and its key. All of `claim` is a peer's; `trust` is the operator's, `nowMs` Unix milliseconds.
 * @throws PosternError `ek_template_unsupported`, `ek_template_mismatch`, `ek_key_mismatch`, `ek_template_altered`, and those
 * of {@link verifyEkChain}
 */
export function verifyEk(claim: EkClaim, trust: EkTrust, nowMs: number): VerifiedEk {
  const { template } = claim;
  if (!isEkTemplateName(template)) {
    throw new PosternError(
      "ek_template_unsupported",
      "Cannot accept the endorsement key: its template is not known",
    );
  }
  const { leaf, root, identity } = verifyEkChain(claim.certificates, trust, nowMs);
  const ekPublic = ekPublicOf(template, leaf.key);
  if (claim.ekPublic !== undefined) checkSaidPublic(ekPublic, claim.ekPublic);
  const ekSpki = spkiOf(ekPublic);
  return {
    ...identity,
    template,
    ekPublic,
    ekSpki,
    ekSha256: leaf.keySha256,
    agentId: agentIdOf(ekSpki),
    certificate: leaf.bytes,
    certificateSha256: leaf.sha256,
    rootSha256: root.sha256,
  };
}

/**
 * Verifies an EK certificate, DER, the first of `certificates`; the others are intermediates in any order. To be run again on
 * what is stored: trust can be withdrawn, and what is revoked since is refused then.
 * @throws PosternError `ek_chain_too_long`, `ek_certificate_*`, `ek_extension_*`, `ek_key_weak`, `ek_algorithm_*`,
 * `ek_usage_wrong`, `ek_tpm_identity_missing`, and those of `findPath`
 */
export function verifyEkChain(certificates: readonly Uint8Array[], trust: EkTrust, nowMs: number): EkChain {
  const [leaf, ...offered] = readOffered(certificates);
  checkCertificate(leaf, nowMs);
  checkLeaf(leaf);
  const identity = tpmIdentityOf(leaf.extensions.directoryNames);
  const path = findPath(leaf, offered, trust, nowMs);
  return {
    leaf,
    root: path[path.length - 1],
    identity,
    notBeforeMs: Math.max(...path.map((one) => one.notBeforeMs)),
    endsAtMs: Math.min(...path.map(endOf)),
  };
}

/** The number and the sizes are checked before anything is read. */
function readOffered(certificates: readonly Uint8Array[]): Certificate[] {
  if (certificates.length === 0) {
    throw new PosternError("ek_certificate_malformed", "Cannot read the certificate: there is none");
  }
  if (certificates.length > maxChainCertificates) {
    throw refusal("ek_chain_too_long", "its chain is too long", {
      certificates: certificates.length,
      limit: maxChainCertificates,
    });
  }
  const long = certificates.find((one) => one.length > maxCertificateBytes);
  if (long !== undefined) readCertificate(long);
  return certificates.map(readCertificate);
}

/** What makes a certificate one of an endorsement key: EK Credential Profile, "EK Certificate Fields". */
function checkLeaf({ extensions }: Certificate): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = extensions;
  if (basicConstraints?.isAuthority === true || keyUsage?.has(KEY_USAGE.certificateSign) === true) {
    throw refusal("ek_certificate_is_ca", "it is an authority's");
  }
  if (extendedKeyUsage?.includes(endorsementKeyUsage) !== true) {
    throw refusal("ek_usage_wrong", "it is not for an endorsement key");
  }
  // RSA keys encipher secrets, ECC keys agree on them.
  if (
    keyUsage !== undefined && !keyUsage.has(KEY_USAGE.keyEncipherment) &&
    !keyUsage.has(KEY_USAGE.keyAgreement)
  ) {
    throw refusal("ek_usage_wrong", "its key is not for secrets");
  }
}
