/** What is asked of control about machines and their enrollment, and what is accepted as an answer. */
import { z } from "zod";
import { fromBase64Url } from "../src/bytes/mod.ts";

/** Longest binary field: an RSA-4096 secret has 512 bytes. */
const MAX_FIELD_CHARS = 2_048;

/** Decoded. */
const bytes = z.string().min(1).max(MAX_FIELD_CHARS).transform((text, context) => {
  try {
    return fromBase64Url(text);
  } catch {
    context.addIssue({ code: "custom", message: "must be base64url without padding" });
    return z.NEVER;
  }
});
const agentId = z.string().regex(/^agent-[a-z2-7]{26}$/);
/** Peer text. */
const labels = z.array(z.string().max(64)).max(64);
const instant = z.iso.datetime();

export interface EnrollmentTokenRequest {
  readonly labels?: readonly string[];
  readonly ek_sha256?: string;
  /** Both or neither: for a node with a key of its own, and no machine. */
  readonly role?: string;
  readonly id?: string;
  readonly ttl_seconds?: number;
  /** Public key of the only host that can open it. */
  readonly wrap_to?: string;
}
export const enrollmentTokenAnswer = z.object({
  token: z.string().min(1).max(512),
  token_id: z.string().max(64),
  labels: labels.optional(),
  ek_sha256: z.string().max(64).optional(),
  role: z.string().max(16).optional(),
  id: z.string().max(64).optional(),
  expires_at: instant,
});
export type EnrollmentTokenAnswer = z.infer<typeof enrollmentTokenAnswer>;
/** A link in the place of the token. */
export const enrollmentLinkAnswer = enrollmentTokenAnswer.omit({ token: true }).extend({
  url: z.url({ protocol: /^https?$/ }).max(2_048),
});
export type EnrollmentLinkAnswer = z.infer<typeof enrollmentLinkAnswer>;

export interface EnrollBeginRequest {
  readonly token: string;
  readonly ek_certificates: readonly string[];
  readonly ek_template: string;
  readonly ak_public: string;
}
export const enrollBeginAnswer = z.object({
  enrollment_id: z.string().min(1).max(64),
  agent_id: agentId,
  credential_blob: bytes,
  encrypted_secret: bytes,
  nonce: bytes.refine((nonce) => nonce.length === 32, { error: "must have 32 bytes" }),
});
export type EnrollBeginAnswer = z.infer<typeof enrollBeginAnswer>;

export interface EnrollFinishRequest {
  readonly enrollment_id: string;
  readonly proof: string;
}
export const enrollFinishAnswer = z.object({ agent_id: agentId, labels, tier: z.string().max(32) });
export type EnrollFinishAnswer = z.infer<typeof enrollFinishAnswer>;

const machine = z.object({
  agent_id: agentId,
  ek_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  ak_name: z.string().max(256),
  labels,
  state: z.string().max(32),
  enrolled_at: instant,
  revoked_at: instant.optional(),
  reason: z.string().max(512).optional(),
  attestation: z.object({
    result: z.string().max(64),
    purpose: z.string().max(32),
    policy_version: z.string().max(128),
    at: instant,
  }).optional(),
  tpm: z.object({
    manufacturer: z.string().max(128),
    vendor: z.string().max(4).optional(),
    model: z.string().max(128),
    version: z.string().max(128),
    certificate_sha256: z.string().max(64),
    serial: z.string().max(1_024),
    expires_at: instant,
  }).optional(),
});
export type MachineAnswer = z.infer<typeof machine>;
export const machinesAnswer = z.object({ machines: z.array(machine).max(1_000), next: agentId.optional() });
export type MachinesAnswer = z.infer<typeof machinesAnswer>;
export const machineAnswer = machine;

/** One of the two. */
export interface MachineName {
  readonly agent_id?: string;
  readonly ek_sha256?: string;
}
export const machineRevoked = z.object({ agent_id: agentId, already: z.boolean() });
export type MachineRevoked = z.infer<typeof machineRevoked>;
export const machineDeleted = z.object({ agent_id: agentId });
export const machineRestored = z.object({ agent_id: agentId });
