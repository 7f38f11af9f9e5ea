/** Failures of endorsement key certificates and of the operator's files about them. */
import type { ErrorFacts } from "../error.ts";

/** What is wrong with the machine's certificates, and stays wrong. */
const refused = { blame: "peer", retryable: false, status: 403, exit: 4 } as const;
/** What cannot be read at all. */
const unreadable = { blame: "peer", retryable: false, status: 400, exit: 4 } as const;
/** What only the operator can change. */
const operators = { blame: "operator", retryable: false, status: 403, exit: 4 } as const;

const askManufacturer = "The certificate is the TPM manufacturer's: update the firmware, or ask its support.";

export const EK_ERRORS = {
  ek_certificate_malformed: {
    title: "EK certificate cannot be read",
    ...unreadable,
    cause: "A certificate of the TPM's chain is no X.509 certificate of version 3 in DER.",
    remedy: "Read the TPM's certificate with `tpm2 getekcertificate` and look at it with `openssl x509`. " +
      askManufacturer,
  },
  ek_certificate_oversized: {
    title: "EK certificate is too large",
    ...unreadable,
    cause: "A certificate of the TPM's chain has more than 8,192 bytes, padding included.",
    remedy: "Send the certificates one by one, not as one file. " + askManufacturer,
  },
  ek_certificate_trailing: {
    title: "Something follows the EK certificate",
    ...unreadable,
    cause: "Behind the certificate there are bytes that are no padding (zeros, or ones).",
    remedy: "Send one certificate an entry. " + askManufacturer,
  },
  ek_extension_duplicate: {
    title: "Certificate has an extension twice",
    ...unreadable,
    cause:
      "A certificate of the TPM's chain has two extensions of one kind, so that readers could differ about it.",
    remedy: askManufacturer,
  },
  ek_extension_unknown: {
    title: "Certificate has a critical extension that is not known",
    ...refused,
    cause:
      "A certificate of the TPM's chain demands by a critical extension, such as name constraints, what is not " +
      "understood here.",
    remedy: askManufacturer,
  },
  ek_chain_too_long: {
    title: "EK certificate chain is too long",
    ...refused,
    cause: "There are more than eight certificates from the TPM's to a root, or too many were sent.",
    remedy: "Send the EK certificate and the intermediates on the way to the root, and no others.",
  },
  ek_chain_incomplete: {
    title: "Intermediate certificate is missing",
    ...refused,
    cause:
      "The certificate of an authority between the TPM's certificate and a trusted root is neither in the TPM " +
      "nor in `attestation.roots_directory`, or the root itself is not there. A certificate there of the same name, but of " +
      "another key than the Authority Key Identifier says, is not the one.",
    remedy: "Let the operator put the manufacturer's root and intermediate certificates into " +
      "`attestation.roots_directory` and reload the edge (SIGHUP).",
  },
  ek_chain_untrusted: {
    title: "TPM's manufacturer is not trusted",
    ...refused,
    cause: "The chain of the EK certificate ends at a root that is not in `attestation.roots_directory`.",
    remedy: "If machines with TPMs of this manufacturer are to be admitted, let the operator put its root " +
      "certificate into the directory and reload the edge (SIGHUP).",
  },
  ek_signature_invalid: {
    title: "Certificate signature does not hold",
    ...refused,
    cause:
      "A certificate of the chain names an authority, by name and key, whose key did not sign it: it was made up or changed. " +
      "Where certificates have no key identifiers, another authority of the same name may have signed it that is not known " +
      "here.",
    remedy:
      "Treat the machine as hostile until it is clear where its certificate comes from. If its maker has several " +
      "authorities of one name, put the certificates of all of them into `attestation.roots_directory`.",
  },
  ek_issuer_not_ca: {
    title: "Issuer of the certificate is no authority",
    ...refused,
    cause:
      "A certificate of the chain was issued with a key that may not issue certificates for endorsement keys: " +
      "its certificate lacks CA:TRUE, the key usage, or is for another use.",
    remedy: "Treat the machine as hostile: somebody may use an ordinary certificate to vouch for a TPM.",
  },
  ek_path_length_exceeded: {
    title: "Authority has too many authorities below it",
    ...refused,
    cause: "An authority of the chain is limited in how many others may stand below it (pathLenConstraint).",
    remedy: askManufacturer,
  },
  ek_certificate_is_ca: {
    title: "EK certificate is an authority's",
    ...refused,
    cause: "The certificate that is said to be the TPM's may issue other certificates.",
    remedy: "Send the EK certificate first, then the intermediates.",
  },
  ek_usage_wrong: {
    title: "Certificate is not for an endorsement key",
    ...refused,
    cause:
      "The certificate lacks the extended key usage 2.23.133.8.1, or its key may not be used for secrets.",
    remedy: "Send the EK certificate, not a platform or an attestation key's. " + askManufacturer,
  },
  ek_tpm_identity_missing: {
    title: "EK certificate does not say which TPM it is for",
    ...refused,
    cause:
      "The subject alternative name does not hold manufacturer, model and version of the TPM (2.23.133.2.1 to " +
      "2.23.133.2.3), each once and as printable text.",
    remedy: askManufacturer,
  },
  ek_certificate_revoked: {
    title: "EK certificate is revoked",
    ...refused,
    cause: "The file `attestation.revocations_file` names the certificate, its key, or its serial number.",
    remedy:
      "Ask the operator why. The machine needs another TPM, or the operator has to take the entry back.",
  },
  ek_issuer_revoked: {
    title: "Authority of the EK certificate is revoked",
    ...refused,
    cause: "The file `attestation.revocations_file` names an intermediate or the root of the chain.",
    remedy: "Ask the operator why. All TPMs below that authority are refused.",
  },
  ek_certificate_not_yet_valid: {
    title: "Certificate of the chain is not valid yet",
    ...refused,
    cause: "The validity of the EK certificate, or of an authority above it, begins later.",
    remedy: "Check the clock of the control plane.",
  },
  ek_certificate_expired: {
    title: "Certificate of the chain has expired",
    ...refused,
    cause: "The validity of the EK certificate, or of an authority above it, is over.",
    remedy:
      "Check the clock of the control plane. Manufacturers renew authorities: look for a newer certificate.",
  },
  ek_key_weak: {
    title: "Key of a certificate is weak",
    ...refused,
    cause:
      "A key of the chain is RSA below 2048 bits, has a small exponent or primes of the flawed library of " +
      "CVE-2017-15361, or is no point of its curve.",
    remedy: "Update the firmware of the TPM and make a new endorsement key, or replace the TPM.",
  },
  ek_algorithm_weak: {
    title: "Certificate is signed in a weak way",
    ...refused,
    cause: "A certificate of the chain is signed with SHA-1 or another hash that can be forged.",
    remedy:
      "If it is an intermediate of a manufacturer, the operator may compare its fingerprint and put it into a " +
      "directory called `anchors` below `attestation.roots_directory`: it is a root then, and its signature is not asked for.",
  },
  ek_algorithm_unsupported: {
    title: "Certificate uses an algorithm that is not known",
    ...refused,
    cause:
      "A key or signature of the chain is neither RSA (2048 to 8192 bits) nor ECDSA (P-256, P-384, P-521) with " +
      "SHA-256, SHA-384 or SHA-512.",
    remedy: askManufacturer,
  },
  ek_key_mismatch: {
    title: "EK certificate is for another key",
    ...refused,
    cause: "The endorsement key that the machine presents is not the one in its certificate.",
    remedy:
      "The EK was made from another template, or the TPM was cleared with a new endorsement seed: its " +
      "certificate is void then.",
  },
  ek_template_altered: {
    title: "Endorsement key is not from its template",
    ...refused,
    cause: "The key is the certificate's, but its attributes or algorithms are not those of the template.",
    remedy: "Let the agent make the key: it uses the templates of the TCG EK Credential Profile.",
  },
  ek_template_unsupported: {
    title: "EK template is not known",
    ...unreadable,
    cause: "The template of the endorsement key is none of `rsa2048`, `p256` and `p384`.",
    remedy: "Check that agent and control plane run compatible versions.",
  },
  ek_template_mismatch: {
    title: "Key of the EK certificate does not fit the template",
    ...refused,
    cause: "The certificate's key is of another kind or size than keys from the named template.",
    remedy: "Send the certificate that belongs to the template.",
  },
  ek_roots_missing: {
    title: "No TPM manufacturer is trusted",
    ...operators,
    cause: "`attestation.roots_directory` is not set or holds no root certificate: no TPM can enroll.",
    remedy: "Put the root certificates of TPM manufacturers into a directory, name it in " +
      "`attestation.roots_directory` and reload the edge (SIGHUP).",
  },
  ek_roots_unusable: {
    title: "Certificates of TPM manufacturers cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "`attestation.roots_directory` or a file in it cannot be read, or a file is no certificate.",
    remedy: "Correct or remove what the message names, then start or reload the edge.",
  },
  ek_revocations_unusable: {
    title: "Revocation list cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "`attestation.revocations_file` cannot be read or is not in its format.",
    remedy: "Correct what the message names: an edge does not guess what a broken list may have revoked.",
  },
} as const satisfies Record<string, ErrorFacts>;
