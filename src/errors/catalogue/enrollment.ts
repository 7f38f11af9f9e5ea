/** Failures of letting machines in by their TPM, and of keeping them out. */
import type { ErrorFacts } from "../error.ts";

export const ENROLLMENT_ERRORS = {
  machine_revoked: {
    title: "Machine was revoked",
    blame: "operator",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "An operator has revoked the machine, or the endorsement key of its TPM. Its channels are cut, its evidence is " +
      "refused and it cannot enrol again, whatever token it has.",
    remedy:
      "If the machine is to be trusted again, let an operator restore it: `postern machine restore AGENT-ID`.",
  },
  enrollment_tokens_full: {
    title: "Too many enrolment tokens",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many enrolment tokens as are kept have not reached their end. None is forgotten before it.",
    remedy: "Wait until some have ended, and give new ones a shorter life: `postern enroll-token --ttl`.",
  },
  machine_limit_reached: {
    title: "Too many machines",
    blame: "operator",
    retryable: false,
    status: 503,
    exit: 1,
    cause:
      "As many machines as the control plane keeps are enrolled, or as many revoked keys as it remembers.",
    remedy:
      "Raise `limits.max_machines`, or restore keys of machines that do not exist any more: `postern machine restore`.",
  },
} as const satisfies Record<string, ErrorFacts>;
