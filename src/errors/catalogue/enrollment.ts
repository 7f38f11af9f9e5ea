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
      "refused and it cannot enroll again, whatever token it has.",
    remedy:
      "If the machine is to be trusted again, let an operator restore it: `postern machine restore AGENT-ID`.",
  },
  enrollment_token_malformed: {
    title: "This is no enrollment token",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 3,
    cause: "An enrollment token begins with `enroll.`; what was sent does not look like one.",
    remedy:
      "Use the file that `postern enroll-token --out FILE` has written. A management token does not let machines in.",
  },
  host_key_malformed: {
    title: "This is no public key of a host",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 2,
    cause:
      "A token is to be wrapped for a host, and the text that names its key has another form, or a character of it was mistyped.",
    remedy: "Copy the whole text that `postern enroll --keygen` has printed there; it begins with `host.`.",
  },
  host_key_missing: {
    title: "Host has no key for wrapped tokens",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The token is wrapped for a host's key, and the state directory of this host holds none.",
    remedy:
      "Name the state directory in which `postern enroll --keygen` was run, or run it now and ask for a token that is wrapped to what it prints.",
  },
  host_key_file_malformed: {
    title: "Key of the host cannot be read",
    blame: "local",
    retryable: false,
    exit: 1,
    cause: "The file `host_key.json` in the state directory is damaged.",
    remedy:
      "Remove it, run `postern enroll --keygen` again, and ask for a token that is wrapped to the new key.",
  },
  wrapped_token_foreign: {
    title: "Token is wrapped for another host",
    blame: "operator",
    retryable: false,
    exit: 3,
    cause:
      "The token is sealed to the key of one host, and this is another, or this host has made another key since.",
    remedy:
      "Use the token on its own host. For this one ask for a token that is wrapped to what `postern enroll --keygen` prints here.",
  },
  wrapped_token_damaged: {
    title: "Wrapped token is damaged",
    blame: "operator",
    retryable: false,
    exit: 3,
    cause: "The text of the wrapped token is not complete, or was altered on the way.",
    remedy: "Copy the file again, all of it. If it is as the operator sent it, ask for another token.",
  },
  enrollment_token_refused: {
    title: "Enrollment token is not valid",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "The token was never issued, or another machine has used it: each lets one machine in.",
    remedy: "Ask an operator for a token of this machine's own: `postern enroll-token --out FILE`.",
  },
  enrollment_ek_proof_missing: {
    title: "Token of this node is bound to a TPM",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "The operator has bound the token to one endorsement key, and no TPM took part in the enrollment.",
    remedy:
      "Name the TPM of this host (`tpm: /dev/tpmrm0`, or `--tpm`) and enroll again with the same token.",
  },
  enrollment_token_expired: {
    title: "Enrollment token has expired",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "The time within which the token could be used is over.",
    remedy: "Ask an operator for a new one, with a longer life if need be: `postern enroll-token --ttl`.",
  },
  enrollment_token_foreign: {
    title: "Enrollment token is for another TPM",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "The operator has bound the token to one endorsement key, and this machine's TPM has another.",
    remedy: "Use the token on its own machine, or ask for one for this machine.",
  },
  enrollment_unknown: {
    title: "Enrollment is not open",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "The enrollment was never begun, was finished before, or is long over. Each can be finished once.",
    remedy: "Begin again with the same token: it is spent only when the machine is enrolled.",
  },
  enrollment_expired: {
    title: "Enrollment took too long",
    blame: "peer",
    retryable: true,
    status: 403,
    exit: 4,
    cause: "The TPM's answer came more than 60 seconds after the enrollment was begun.",
    remedy: "Begin again. If it repeats, look at what slows down the machine or its TPM.",
  },
  enrollment_proof_invalid: {
    title: "TPM has not proved its keys",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The proof was not made with the secret that only the TPM of the endorsement key can give out, and only beside " +
      "the attestation key that was shown; or it is for another enrollment.",
    remedy:
      "Run `postern enroll` on the machine that has the TPM. If this repeats there, somebody relays it.",
  },
  enrollment_agent_mismatch: {
    title: "Control means another machine",
    blame: "control",
    retryable: false,
    exit: 4,
    cause:
      "The name of an agent follows from the endorsement key of its TPM. The control plane has answered with the name of " +
      "another one, so its answer is not for this machine.",
    remedy: "Check that --control names your control plane, and that nothing in between changes its answers.",
  },
  machine_replaced: {
    title: "State directory belongs to another machine",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "The state directory was enrolled with another TPM: it was copied from another machine, or this machine's TPM or " +
      "mainboard was replaced.",
    remedy:
      "Use a state directory of this machine's own. If the TPM was replaced, enroll again with a new token: " +
      "`postern enroll --force`, and revoke the machine that it was.",
  },
  machine_file_malformed: {
    title: "Machine file cannot be used",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "The file machine.json in the state directory does not name a machine; it was changed by hand or damaged.",
    remedy: "Remove the file, or write it anew with `postern enroll --force`. Nothing secret is in it.",
  },
  machine_key_changed: {
    title: "TPM is enrolled with another attestation key",
    blame: "operator",
    retryable: false,
    status: 409,
    exit: 4,
    cause:
      "One endorsement key is one machine with one attestation key, which its TPM makes again the same at every start. " +
      "This one has proved another.",
    remedy:
      "Check that the agent is of the version that enrolled the machine. A TPM that was made new has another " +
      "endorsement key as well, and enrolls as another machine.",
  },
  machine_unknown: {
    title: "No such machine",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 1,
    cause: "No machine with this agent id or endorsement key is enrolled or revoked.",
    remedy: "List the machines and check the id: `postern machines`.",
  },
  machine_active: {
    title: "Machine is not revoked",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause: "Only a revoked machine can be deleted: one that may still open channels is not to be forgotten.",
    remedy: "Revoke it first: `postern machine revoke AGENT-ID --reason TEXT`.",
  },
  machine_not_revoked: {
    title: "Machine is not revoked",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause: "The machine is admitted as it is; there is nothing to restore.",
    remedy: "Check the id: `postern machines` shows the state of each.",
  },
  enrollment_tokens_full: {
    title: "Too many enrollment tokens",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many enrollment tokens as are kept have not reached their end. None is forgotten before it.",
    remedy: "Wait until some have ended, and give new ones a shorter life: `postern enroll-token --ttl`.",
  },
  enrollment_limit_reached: {
    title: "Enrollment token has too many open enrollments",
    blame: "peer",
    retryable: true,
    status: 429,
    exit: 5,
    cause:
      "Eight enrollments were begun with this token within a minute and not finished; a machine needs one.",
    remedy: "Try again after a minute. If nobody else has the token, look at why the TPM does not finish.",
  },
  enrollments_full: {
    title: "Too many open enrollments",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 5,
    cause:
      "As many enrollments as can be open at the same time wait for their end; each waits a minute at most.",
    remedy: "Try again after a minute. If it repeats, look for a client that begins enrollments in a loop.",
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
      "Raise `limits.max_machines`, or revoke and then delete machines that do not exist any more: `postern machine delete`.",
  },
} as const satisfies Record<string, ErrorFacts>;
