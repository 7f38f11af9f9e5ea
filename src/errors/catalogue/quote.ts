/** Failures of what TPMs attest: signatures, quotes, PCR values, certifications of keys. */
import type { ErrorFacts } from "../error.ts";

export const QUOTE_ERRORS = {
  tpm_signature_scheme_wrong: {
    title: "TPM signature is of another scheme",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The signature is made with another algorithm or hash than its key signs with.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
  tpm_signature_degenerate: {
    title: "TPM signature is degenerate",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "One of the two numbers of an ECDSA signature is zero. No signature has that; careless verifiers take it as valid for everything.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
  tpm_signature_invalid: {
    title: "TPM signature does not hold",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The signature is not one of the enrolled attestation key over these bytes.",
    remedy:
      "Check that the machine still has the TPM that was enrolled. If it has, something alters messages or speaks for another machine.",
  },
  attest_signer_wrong: {
    title: "Attestation key is in another hierarchy",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The key that signed is not a primary key of the TPM's endorsement hierarchy. Other hierarchies tell counters and firmware only in disguise.",
    remedy:
      "Let the agent make its own attestation key, and enroll the machine again. If it did, look into the machine.",
  },
  attest_nonce_empty: {
    title: "Attestation is bound to nothing",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The attestation has no qualifying data: it could have been made at any time for anybody.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
  attest_nonce_wrong: {
    title: "Attestation is bound to something else",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The qualifying data is not that of this challenge on this channel under this policy by this agent.",
    remedy:
      "Answer the challenge on the channel that it was asked for. If this repeats, somebody relays or replays evidence.",
  },
  quote_expected: {
    title: "Attestation is no quote",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The TPM certified a key where a quote of PCRs was asked for.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
  quote_selection_empty: {
    title: "Quote covers no PCRs",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote names no bank of PCRs.",
    remedy:
      "Look into the machine. A TPM signs exactly what it was asked, so the agent asked it something else.",
  },
  quote_selection_ambiguous: {
    title: "Quote covers several banks",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote names more than one bank of PCRs. Which value belongs to which bank would be open.",
    remedy:
      "Look into the machine. A TPM signs exactly what it was asked, so the agent asked it something else.",
  },
  quote_bank_wrong: {
    title: "Quote covers another bank",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote covers PCRs of another hash algorithm than the policy asks for.",
    remedy:
      "Assign the machine a policy of the bank that its firmware extends. If it has one, look into the machine.",
  },
  quote_bank_inactive: {
    title: "PCR bank is not active",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote covers no PCR of the bank that the policy asks for: the TPM does not keep that bank.",
    remedy:
      "Activate the bank in the firmware's setup, or assign the machine a policy of a bank that is active.",
  },
  quote_pcrs_missing: {
    title: "Quote covers fewer PCRs",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote leaves out PCRs that the policy asks for.",
    remedy:
      "Look into the machine. A TPM signs exactly what it was asked, so the agent asked it something else.",
  },
  quote_pcrs_unasked: {
    title: "Quote covers other PCRs",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote covers PCRs that nobody asked for.",
    remedy:
      "Look into the machine. A TPM signs exactly what it was asked, so the agent asked it something else.",
  },
  pcr_bank_wrong: {
    title: "PCR values are of another bank",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The values that came with the quote are said to be of another bank than the one it covers.",
    remedy:
      "Check that agent and control plane run compatible versions. If they do, something alters messages.",
  },
  pcr_value_missing: {
    title: "PCR value is missing",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The quote covers a PCR whose value did not come with it.",
    remedy:
      "Check that agent and control plane run compatible versions. If they do, something alters messages.",
  },
  pcr_value_unasked: {
    title: "PCR value was not asked for",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "A value came for a PCR that the quote does not cover. It would be claimed, not proved.",
    remedy:
      "Check that agent and control plane run compatible versions. If they do, something alters messages.",
  },
  pcr_value_malformed: {
    title: "PCR value is no digest",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause: "The value of a PCR has another length than digests of its bank, or is not lower-case hex.",
    remedy:
      "Check that agent and control plane run compatible versions. If they do, something alters messages.",
  },
  pcr_digest_wrong: {
    title: "PCR values are not those that the TPM vouches for",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "The digest that the TPM signed is not that of the values which came with it.",
    remedy:
      "If a PCR was extended between reading and quoting, the agent's next attempt succeeds. If this repeats, look into the machine.",
  },
  certify_expected: {
    title: "Attestation is no certification",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The TPM quoted PCRs where the certification of a key was asked for.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
  certify_name_wrong: {
    title: "Certification is of another key",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The TPM certified a key with another name than the one that it was asked about.",
    remedy: "Look into the machine: an honest agent cannot send this.",
  },
} as const satisfies Record<string, ErrorFacts>;
