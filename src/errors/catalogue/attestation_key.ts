/** Failures of the keys that TPMs attest with. */
import type { ErrorFacts } from "../error.ts";

export const ATTESTATION_KEY_ERRORS = {
  tpm_key_invalid: {
    title: "TPM key is no valid public key",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause:
      "The modulus has another length than the key declares, is even, or the key is of a kind that is not taken.",
    remedy: "Let the agent make its own attestation key. If it did, look into the machine.",
  },
  tpm_key_off_curve: {
    title: "TPM key is not on its curve",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause:
      "The coordinates of a key are no point of the curve that it names. Such keys are made to draw secrets out of others.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
  ak_not_restricted: {
    title: "Attestation key also signs foreign data",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The key is not restricted: it would sign a forged quote as well as a real one.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_not_signing: {
    title: "Attestation key does not sign",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The key does not have the attribute to sign.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_can_decrypt: {
    title: "Attestation key also decrypts",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "A key with two uses can be used against itself. Attestation keys only sign.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_not_fixed_tpm: {
    title: "Attestation key can leave its TPM",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The key does not have the attribute fixedTPM: it could be duplicated to another machine.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_not_fixed_parent: {
    title: "Attestation key can be given another parent",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The key does not have the attribute fixedParent: it could be duplicated to another machine.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_origin_unknown: {
    title: "Attestation key was not made by the TPM",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The key does not have the attribute sensitiveDataOrigin: its private part was brought from outside and may be known there.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_scheme_missing: {
    title: "Attestation key has no signature scheme",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The public area of the key does not say how it signs. An attestation key has one scheme and one hash.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_modulus_short: {
    title: "Attestation key is too short",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The modulus of the RSA key has fewer than 2048 bits.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  ak_exponent_weak: {
    title: "Attestation key has a weak exponent",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The public exponent of the RSA key is not 65537.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
} as const satisfies Record<string, ErrorFacts>;
