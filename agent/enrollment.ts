/**
 * Enrolling this machine: control is shown the endorsement key's certificates and the attestation key, and answers with a
 * secret that only the TPM of both can give out. What is sent back is a proof made with it, never the secret. The token is spent
 * only when control has written the machine down: after a crash at any step the same token is good for another attempt.
 */
import { enrollmentProof } from "../src/attestation/mod.ts";
import { toBase64Url } from "../src/bytes/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import type { ControlClient } from "./control_client.ts";
import type { Tpm } from "./tpm/mod.ts";

/** What enrollment needs of the TPM. */
export type EnrollingTpm = Pick<
  Tpm,
  "agentId" | "ek" | "ekTemplate" | "akPublicBytes" | "akName" | "activate"
>;

export interface EnrolledMachine {
  readonly agentId: string;
  /** Control's words. */
  readonly labels: readonly string[];
}

/** Bytes of the secret that control wraps. */
const SECRET_BYTES = 32;

/**
 * Throws what control refuses with (`enrollment_*`, `machine_*`, `ek_*`, `ak_*`), what the TPM throws
 * (`tpm_activation_failed`, ...), and `enrollment_agent_mismatch` when control means another agent than this one.
 */
export async function enroll(
  tpm: EnrollingTpm,
  control: Pick<ControlClient, "beginEnrollment" | "finishEnrollment">,
  token: string,
  signal: AbortSignal,
): Promise<EnrolledMachine> {
  const { enrollmentId, proof } = await proveEk(tpm, control, token, signal);
  const finished = await control.finishEnrollment({
    enrollment_id: enrollmentId,
    proof: toBase64Url(proof),
  }, signal);
  checkAgent(tpm, finished.agent_id);
  return { agentId: tpm.agentId, labels: finished.labels };
}

/** That this machine's TPM took part: what is sent with what the token is for. Throws as {@link enroll}. */
export async function proveEk(
  tpm: EnrollingTpm,
  control: Pick<ControlClient, "beginEnrollment">,
  token: string,
  signal: AbortSignal,
): Promise<{ readonly enrollmentId: string; readonly proof: Uint8Array }> {
  const begun = await control.beginEnrollment({
    token,
    ek_certificates: tpm.ek.certificates.map(toBase64Url),
    ek_template: tpm.ekTemplate,
    ak_public: toBase64Url(tpm.akPublicBytes),
  }, signal);
  checkAgent(tpm, begun.agent_id);
  const secret = await tpm.activate(begun.credential_blob, begun.encrypted_secret, signal);
  try {
    return { enrollmentId: begun.enrollment_id, proof: proofOf(secret, begun, tpm) };
  } finally {
    secret.fill(0);
  }
}

function proofOf(
  secret: Uint8Array,
  begun: Awaited<ReturnType<ControlClient["beginEnrollment"]>>,
  { agentId, akName }: EnrollingTpm,
): Uint8Array {
  if (secret.length !== SECRET_BYTES) {
    throw new PosternError(
      "control_response_invalid",
      `Cannot enroll machine: control's secret has ${secret.length} bytes in place of ${SECRET_BYTES}`,
    );
  }
  return enrollmentProof(secret, { nonce: begun.nonce, enrollmentId: begun.enrollment_id, agentId, akName });
}

/** The name follows from the key: control's has to be the same. */
function checkAgent({ agentId }: EnrollingTpm, named: string): void {
  if (named === agentId) return;
  throw new PosternError(
    "enrollment_agent_mismatch",
    `Cannot enroll machine: control names it ${named}, its TPM makes it ${agentId}`,
  );
}
