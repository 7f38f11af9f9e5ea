/** Failures of evidence and of the challenges that it answers. */
import type { ErrorFacts } from "../error.ts";

export const ATTESTATION_ERRORS = {
  challenge_unknown: {
    title: "Challenge is not open",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "The challenge was never issued, was answered before, or is long over. Each can be answered once.",
    remedy: "Ask for a new challenge and answer that one.",
  },
  challenge_expired: {
    title: "Challenge has expired",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "The evidence came more than 30 seconds after the challenge.",
    remedy: "Ask for a new challenge. If it repeats, look at what slows down the machine or its TPM.",
  },
  evidence_malformed: {
    title: "Evidence cannot be read",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause: "A part of the evidence is missing or is not in the form that its kind prescribes.",
    remedy: "Check that agent and control plane run compatible versions.",
  },
  evidence_too_large: {
    title: "Evidence is too large",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause: "The quote or the signature is longer than any that a TPM makes.",
    remedy:
      "Check that agent and control plane run compatible versions. If they do, something alters messages.",
  },
  evidence_base64_malformed: {
    title: "Evidence is no base64url",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause: "The quote or the signature is not base64url without padding.",
    remedy:
      "Check that agent and control plane run compatible versions. If they do, something alters messages.",
  },
  evidence_kind_unsupported: {
    title: "Evidence is of a kind that is not judged here",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 4,
    cause: "The control plane has no verifier for this kind of evidence, or its policy does not admit it.",
    remedy: "Let the agent use a kind of identity that the operator admits.",
  },
  evidence_key_weak: {
    title: "Identity key is weak",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The identity key is a point of small order: anybody could make signatures that it accepts.",
    remedy: "Make a new identity for the agent with `postern`; keys it makes are never weak.",
  },
  evidence_signature_invalid: {
    title: "Evidence signature does not hold",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The signature does not cover this challenge on this channel under this policy by this agent.",
    remedy:
      "Answer the challenge on the channel that it was asked for. If this repeats, somebody relays evidence.",
  },
  evidence_wrong_agent: {
    title: "Evidence is another agent's",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The evidence holds, but not for the agent that the challenge was asked for.",
    remedy: "Ask for the challenge with the id of the agent whose evidence answers it.",
  },
  agent_limit_reached: {
    title: "Tunnel has too many agents",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "As many different agents as one tunnel may have have proved themselves for it already.",
    remedy: "Keep the agent's identity file between runs: a new identity counts as a new agent. " +
      "Deleting and creating the tunnel starts over.",
  },
  attestation_unknown: {
    title: "Attestation is not known",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 4,
    cause: "The reauth token names an attestation that control does not have, or another channel's.",
    remedy:
      "Nothing on the agent: it opens a new channel by itself. If it keeps happening, control has lost its state directory.",
  },
  attestation_over: {
    title: "Attestation is over",
    blame: "peer",
    retryable: false,
    status: 410,
    exit: 4,
    cause:
      "The channel of the attestation has ended, or nobody renewed it in time. What is over is never made good again.",
    remedy: "Nothing on the agent: it opens a new channel by itself, with a full handshake.",
  },
  attestation_failed: {
    title: "Machine has failed its attestation",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The machine has failed to prove itself again since it opened the channel. The channel is cut; a further proof on it does not count.",
    remedy: "Find out why it failed: the audit log names the code. Then a full handshake begins anew.",
  },
} as const satisfies Record<string, ErrorFacts>;
