/** Failures between an agent and its own TPM. */
import type { ErrorFacts } from "../error.ts";

export const TPM_CLIENT_ERRORS = {
  tpm_not_set: {
    title: "No TPM is set",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The command needs a TPM, and the setting `tpm` names none.",
    remedy:
      "Give --tpm, POSTERN_TPM or `tpm` in the file of --config: unix:PATH, tcp:HOST:PORT, a device's path, or stdio.",
  },
  identity_seal_foreign: {
    title: "Identity is sealed to another TPM",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "The state directory was copied from another machine, or this machine's TPM or mainboard was replaced. What is in it " +
      "can be opened by the TPM that sealed it only.",
    remedy:
      "Start the node on its own machine. If this is to be the node from now on, enroll it anew with `postern enroll --force` " +
      "and a new token: its old identity is superseded then.",
  },
  identity_seal_cleared: {
    title: "TPM was cleared since the identity was sealed",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "It is the same TPM, but its owner has cleared it (in the firmware's setup, or by TPM2_Clear). The seed that sealed keys " +
      "follow from is gone for good.",
    remedy:
      "Enroll the node anew with `postern enroll --force` and a new token. Nothing else brings the key back.",
  },
  identity_seal_pcrs_changed: {
    title: "Machine has started otherwise than when the identity was sealed",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "The identity was sealed to PCRs (`identity_seal_pcrs`), and one of them has another value: firmware, its settings, boot " +
      "loader or what was started are not what they were.",
    remedy:
      "Find out what has changed. If it was you, enroll the node anew with `postern enroll --force` and a new token; before " +
      "updates of the firmware set `identity_seal_pcrs` to none and start the node once.",
  },
  identity_seal_damaged: {
    title: "Sealed identity is damaged",
    blame: "local",
    retryable: false,
    exit: 1,
    cause: "The file in the state directory was altered, or was not written whole.",
    remedy:
      "Restore it from a backup of this machine, or enroll the node anew with `postern enroll --force` and a new token.",
  },
  identity_seal_no_tpm: {
    title: "No TPM is named to seal the identity to",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "`identity_seal: tpm` asks for a TPM, and the setting `tpm` is off. Nothing was written without one.",
    remedy: "Name the TPM (`tpm: /dev/tpmrm0`), or keep the identity in a file: `identity_seal: file`.",
  },
  identity_sealed: {
    title: "Identity is sealed to a TPM, and none is used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The state directory holds what a TPM has sealed, and the settings `tpm` or `identity_seal` say that none is to be used.",
    remedy:
      "Name the TPM of this machine (`tpm: /dev/tpmrm0`) and leave `identity_seal` at `auto`. To go back to a file, enroll the node " +
      "anew with `postern enroll --force` and `identity_seal: file`.",
  },
  identity_seal_owner_locked: {
    title: "TPM's storage hierarchy cannot be used",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "The TPM's owner has set a password for the storage hierarchy, or disabled it: nothing can be sealed without that password.",
    remedy:
      "Remove the owner's password (`tpm2_changeauth -c owner -p OLD`), or keep the identity in a file: `identity_seal: file`.",
  },
  tpm_unavailable: {
    title: "TPM cannot be reached",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The device or socket of the TPM could not be opened, or the connection broke before the answer.",
    remedy:
      "Check the setting `tpm` and that this user may open the device (on Debian: group tss); `postern diag` tries it. " +
      "The agent keeps trying and never falls back to a key in a file.",
  },
  tpm_device_forbidden: {
    title: "This program may not open the TPM device by this path",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The runtime lets no sandboxed program open devices below /dev.",
    remedy:
      "Hand the device over as standard input and output, `--tpm stdio 0<>/dev/tpmrm0 1>&0`, or show it under another " +
      "path, as packaging/systemd/tpm.conf and `docker run --device /dev/tpmrm0:/run/tpmrm0` do.",
  },
  tpm_stdio_lost: {
    title: "TPM on standard input and output is used up",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "The TPM that was handed over as standard input and output failed once. It cannot be opened again from inside.",
    remedy: "Restart the agent; a service manager does so by itself.",
  },
  tpm_framing: {
    title: "What the TPM sends is no TPM response",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause:
      "The bytes that came back do not follow the framing of TPM 2.0 responses, so the connection was given up.",
    remedy:
      "Check that the setting `tpm` names a TPM 2.0: the data port of a software TPM, not its control port.",
  },
  tpm_response_invalid: {
    title: "TPM's answer cannot be read",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause:
      "A response of the TPM was framed properly, but what it holds is not what the command answers with.",
    remedy:
      "Check that the setting `tpm` names a TPM 2.0. If it does, report the command and the TPM's maker.",
  },
  tpm_timeout: {
    title: "TPM did not answer in time",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause:
      "A command took longer than a TPM may take, or somebody else holds the connection to a software TPM.",
    remedy:
      "A software TPM serves one connection at a time: end the other one. If a device repeats this, look at the " +
      "kernel's log.",
  },
  tpm_busy: {
    title: "TPM is busy",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The TPM asked for patience for longer than a command may take, or too many uses wait for it.",
    remedy: "Nothing at first: the agent tries again. If it lasts, look for other programs that use the TPM.",
  },
  tpm_lockout: {
    title: "TPM is locked out",
    blame: "operator",
    retryable: true,
    exit: 4,
    cause: "Too many failed authorizations, by any program, made the TPM refuse for a while.",
    remedy:
      "Wait until it recovers by itself, or clear the lockout with `tpm2_dictionarylockout --clear-lockout`.",
  },
  tpm_not_started: {
    title: "TPM was not started",
    blame: "operator",
    retryable: true,
    exit: 4,
    cause: "The TPM got no TPM2_Startup since it has power. Firmware does that; agents never do.",
    remedy:
      "Start a software TPM with `--flags not-need-init,startup-clear`. On hardware, look at the firmware's settings.",
  },
  tpm_failure: {
    title: "TPM is in failure mode",
    blame: "operator",
    retryable: true,
    exit: 4,
    cause: "A self-test of the TPM failed. It takes no commands until the machine has lost power.",
    remedy: "Power the machine off and on. If it comes back, the TPM is broken.",
  },
  tpm_refused: {
    title: "TPM refused a command",
    blame: "operator",
    retryable: true,
    exit: 4,
    cause: "The TPM answered a command of the agent with an error; the message has it in words.",
    remedy:
      "Read the message. Authorization failures mean that the endorsement hierarchy has a password, which agents do " +
      "not know; missing room means that another program leaves objects loaded: use /dev/tpmrm0.",
  },
  tpm_ek_certificate_missing: {
    title: "TPM holds no certificate of its endorsement key",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "None of the NV indices where makers put certificates holds one that can be used: 0x01c0000a (P-256), 0x01c00016 " +
      "(P-384), 0x01c00002 (RSA-2048).",
    remedy:
      "Take the setting `tpm_ek` away if it names a key without a certificate; `postern attest --dry-run` tries each. " +
      "Some makers publish certificates instead of storing them: such TPMs cannot be used.",
  },
  tpm_ek_mismatch: {
    title: "TPM's certificate is for another key",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "The endorsement key that the TPM makes from the standard template is not the one that its certificate names.",
    remedy:
      "Name another key with the setting `tpm_ek`. A TPM whose endorsement seed was changed has no certified key any more.",
  },
  tpm_identity_changed: {
    title: "TPM is another one than at the start",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "The TPM makes another attestation key than when the agent started: it was exchanged, or its endorsement seed changed.",
    remedy:
      "Restart the agent and enroll the machine again if the change is yours. If it is not, find out who made it.",
  },
  tpm_pcr_bank_inactive: {
    title: "TPM does not keep the PCRs that are asked for",
    blame: "operator",
    retryable: false,
    exit: 4,
    cause:
      "The policy asks for PCRs of a bank that is not active in this TPM, or for PCRs that it does not have.",
    remedy:
      "Activate the bank in the firmware's settings, or assign this machine a policy over a bank that it has; " +
      "`postern attest --dry-run` shows its banks.",
  },
  tpm_pcrs_unstable: {
    title: "PCRs change all the time",
    blame: "operator",
    retryable: true,
    exit: 4,
    cause: "Each time the PCRs were read and quoted, one of them had been extended in between.",
    remedy: "Look for what extends PCRs while the machine runs, or leave that PCR out of the policy.",
  },
  tpm_activation_failed: {
    title: "TPM did not open the credential",
    blame: "control",
    retryable: false,
    exit: 4,
    cause: "The credential that control made is not for this TPM's endorsement key and this attestation key.",
    remedy:
      "Enroll again. If it repeats, the certificate belongs to another TPM, or somebody changes messages.",
  },
  tpm_aborted: {
    title: "Use of the TPM was given up",
    blame: "local",
    retryable: true,
    exit: 1,
    cause: "Whoever wanted the TPM stopped waiting for it, for example because the channel ended.",
    remedy: "Nothing: if it is still wanted, it is tried again.",
  },
} as const satisfies Record<string, ErrorFacts>;
