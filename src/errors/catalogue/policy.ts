/** Failures of PCR policies: of applying them, and of machines that do not satisfy them. */
import type { ErrorFacts } from "../error.ts";

export const POLICY_ERRORS = {
  policy_invalid: {
    title: "Policy is not valid",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 2,
    cause: "A member of the policy is missing, unknown or out of form; the message names it.",
    remedy: "Correct the file. Digests and firmware versions are lower-case hex and stand in quotes. " +
      "`postern policy learn` writes a file to start from.",
  },
  policy_version_conflict: {
    title: "Policy has another version meanwhile",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause:
      "A policy is applied as the version after the one in force; the file has another number, or somebody else " +
      "applied a version first.",
    remedy:
      "Look at `postern policy diff FILE`, take over what changed, and set `version` to the next number.",
  },
  policy_conflict: {
    title: "Two policies would count for the same machine",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause:
      "Another policy asks for the same labels, or an enrolled machine has the labels of both and neither asks for " +
      "more of them: nothing says which one counts.",
    remedy:
      "Give one of them a further label, or one policy for the machines that have both labels, or retire one.",
  },
  policy_limit_reached: {
    title: "There are too many policies",
    blame: "operator",
    retryable: false,
    status: 409,
    exit: 1,
    cause:
      "As many names of policies as may be kept are in use. Retired ones count: their versions are never reused.",
    remedy: "Give one policy more labels or digests instead of many policies of one machine each.",
  },
  policy_not_found: {
    title: "No such policy",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 1,
    cause: "No policy of this name was ever applied, or the version is not kept any more.",
    remedy: "`postern policy list` names all of them, `postern policy show NAME` the versions of one.",
  },
  policy_overlap_impossible: {
    title: "Versions of a policy cannot overlap",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 2,
    cause:
      "The new version is of another bank of PCRs, or the one before is retired, or there is none: one quote cannot " +
      "satisfy both.",
    remedy: "Apply it without `--overlap`.",
  },
  policy_values_missing: {
    title: "There is nothing to learn a policy from",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause:
      "No machine that was asked for has proved these PCRs of this bank with a quote so far, or there is no such machine.",
    remedy:
      "Check the label: `postern machines`. Let the machine connect once: without a policy it quotes PCRs 0 to 7 of sha256. Policies with other PCRs are " +
      'applied with "any" first and learnt then.',
  },
  policy_values_too_many: {
    title: "Machines are too different for one policy",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause: "A PCR, or the firmware, has more different values among these machines than one policy may list.",
    remedy: "Label machines of one kind alike and learn a policy for each kind, or leave such a PCR out.",
  },
  policy_missing: {
    title: "No policy is assigned to the machine",
    blame: "operator",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "`attestation.require_policy` is set, and no policy asks for labels that this machine has.",
    remedy: "Apply a policy for the machine's labels, or for its agent id.",
  },
  pcr_not_covered: {
    title: "Quote does not cover the policy's PCRs",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "The policy demands PCRs that are not part of the quote, as when it changed after the question.",
    remedy:
      "The agent asks again by itself. If it repeats, look whether the TPM has the policy's bank: `tpm2_getcap pcrs`.",
  },
  pcr_value_refused: {
    title: "PCR holds a value that the policy does not allow",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "Firmware, boot loader, kernel or settings of the machine are not those that the policy was made from.",
    remedy:
      "Find out what changed on the machine. If it is right, learn the policy anew, look at `postern policy diff`, and " +
      "apply it.",
  },
  firmware_refused: {
    title: "TPM has firmware that the policy does not allow",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The policy lists firmware versions of the TPM, and the quote shows another one.",
    remedy: "Update the TPM's firmware, or add the version to the policy once it is found to be good.",
  },
  firmware_changed: {
    title: "TPM's firmware changed under way",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The firmware version differs from that of the quote before, and the TPM was not reset in between.",
    remedy:
      "This does not happen by itself. Look at the machine; revoke it, and restore it when it is sound.",
  },
  attestation_reset: {
    title: "TPM was reset while the channel was open",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause:
      "The quote shows a reset since the channel was proven: its PCRs were made anew by whatever started then.",
    remedy: "The agent opens a new channel by itself. If the machine was not restarted, look at it.",
  },
  attestation_rollback: {
    title: "TPM's counters went back",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "Resets, restarts or the clock of the TPM are behind what the same TPM showed before: a virtual machine was put " +
      "back to a snapshot or runs twice, or the TPM was cleared.",
    remedy:
      "If this was meant, `postern machine revoke` and then `restore` the machine: that forgets its counters. Otherwise " +
      "find out who runs the copy.",
  },
  attestation_raced: {
    title: "Machine was judged in too many places at once",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 4,
    cause: "Other evidence of the same machine was accepted again and again while this one was judged.",
    remedy: "The agent tries again by itself.",
  },
  attestation_failed_before: {
    title: "Machine failed its last attestation",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "A machine that failed while a channel was open is not believed on its open channels any more.",
    remedy:
      "The agent opens a new channel by itself, which attests the machine from the start. `postern machine show` " +
      "tells what failed.",
  },
  machine_not_enrolled: {
    title: "Machine is not enrolled",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The evidence is of a TPM that this control plane does not know.",
    remedy: "Enroll the machine once with `postern enroll` and a token from `postern enroll-token`.",
  },
  require_tier_locked: {
    title: "Demand on the service's agents is its owner's",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "The service demands agents with a TPM. A recreate token, which agents keep on their disk, cannot take that back.",
    remedy: "Ask for it with the owner's management token (`token_file`), or leave `require_tier` out.",
  },
  tier_too_weak: {
    title: "Identity of the agent is too weak",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The service, or the whole control plane, demands agents that prove themselves with a TPM; this one has a key in " +
      "a file.",
    remedy:
      "Enroll the machine's TPM and let the agent use it, or let the service's owner take `require_tier` back.",
  },
} as const satisfies Record<string, ErrorFacts>;
