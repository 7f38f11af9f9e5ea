/** JSON of enrollment and machines, with what the API description says about each field. */
import { z } from "@hono/zod-openapi";
import { maxCertificateBytes, maxChainCertificates } from "../attestation/ek/mod.ts";
import { fromBase64Url } from "../bytes/mod.ts";
import { maxEnrollmentTtlSeconds, minEnrollmentTtlSeconds } from "./enrollment_token.ts";
import { ekTemplateNames } from "./machine_trust.ts";
import { maxMachinePage } from "./machines.ts";
import { nodeIdSchema, nodeRoleSchema } from "./node_schemas.ts";
import { instantSchema, managementTokenSchema } from "./schemas.ts";

/** A public area with an RSA-2048 key has 314 bytes. */
const maxPublicBytes = 1_024;
/** Labels of one machine. */
const maxLabels = 32;
const maxReasonChars = 200;

/** Decoded: at least one byte, at most so many. */
const bytes = (max: number) =>
  z.string().min(2).max(Math.ceil(max * 4 / 3)).transform((text, context) => {
    try {
      return fromBase64Url(text);
    } catch {
      context.addIssue({ code: "custom", message: "must be base64url without padding" });
      return z.NEVER;
    }
  }).openapi({ type: "string", format: "base64url" });

const told = z.string().openapi({ format: "base64url" });
const agentId = z.string().regex(/^agent-[a-z2-7]{26}$/).openapi({
  example: "agent-w5z6k7hq2d3n4p5r6s7t2u3v4a",
});
const ekSha256 = z.string().regex(/^[0-9a-f]{64}$/).openapi({
  description: "SHA-256 of the endorsement key's SubjectPublicKeyInfo (DER), lower-case hex.",
});
const label = z.string().regex(/^[a-z0-9]([a-z0-9._=\/-]{0,62}[a-z0-9])?$/, {
  error: "must be 1 to 64 lower-case letters, digits and ._=/-, beginning and ending with a letter or digit",
}).openapi({ example: "prod" });
const labels = z.array(label).max(maxLabels);

export const enrollmentTokenRequestSchema = z.object({
  labels: labels.optional().openapi({
    description:
      "What the machine or node is labelled with: chooses its policy, and rules name nodes by it. Absent: an enrolled one keeps its labels.",
  }),
  ek_sha256: ekSha256.optional().openapi({ description: "Only the TPM of this endorsement key may use it." }),
  role: nodeRoleSchema.optional().openapi({
    description: "Lets a node of this role in, by a key of its own; absent: a machine, by its TPM.",
  }),
  id: nodeIdSchema.optional().openapi({ description: "Which node; with role." }),
  ttl_seconds: z.int().min(minEnrollmentTtlSeconds).max(maxEnrollmentTtlSeconds).optional().openapi({
    description: "Life of the token; as configured when absent.",
  }),
  wrap_to: z.string().min(1).max(64).optional().openapi({
    description:
      "Public key of the only host that can open it, as `postern enroll --keygen` prints it there.",
  }),
  management_token: managementTokenSchema.optional().openapi({
    description: "An operator's token, unless it is the Bearer.",
  }),
}).refine((request) => (request.role === undefined) === (request.id === undefined), {
  error: "needs role and id, or neither",
}).openapi("EnrollmentTokenRequest");

export const enrollmentTokenResponseSchema = z.object({
  token: z.string().openapi({
    description: "Secret; told once. Lets one machine in. With wrap_to only that host can read it.",
  }),
  token_id: z.string().openapi({ description: "What the audit names." }),
  labels: z.array(z.string()).optional(),
  ek_sha256: z.string().optional(),
  role: nodeRoleSchema.optional(),
  id: z.string().optional(),
  expires_at: instantSchema,
}).openapi("EnrollmentTokenResponse");

export const enrollBeginRequestSchema = z.object({
  token: managementTokenSchema.openapi({ description: "An enrollment token." }),
  ek_certificates: z.array(bytes(maxCertificateBytes)).min(1).max(maxChainCertificates).openapi({
    description: "X.509, DER: the endorsement key's first, then its issuers; roots may be left out.",
  }),
  ek_template: z.enum(ekTemplateNames).openapi({
    description: "Template of the key (TCG EK Credential Profile): L-1, L-2, or P-384 of the high range.",
  }),
  ek_public: bytes(maxPublicBytes).optional().openapi({ description: "TPMT_PUBLIC of the endorsement key." }),
  ak_public: bytes(maxPublicBytes).openapi({ description: "TPMT_PUBLIC of the attestation key." }),
}).openapi("EnrollBeginRequest");

export const enrollBeginResponseSchema = z.object({
  enrollment_id: z.string(),
  agent_id: agentId,
  credential_blob: told.openapi({ description: "Contents of TPM2B_ID_OBJECT for TPM2_ActivateCredential." }),
  encrypted_secret: told.openapi({ description: "Contents of TPM2B_ENCRYPTED_SECRET." }),
  nonce: told,
  expires_at: instantSchema,
}).openapi("EnrollBeginResponse");

export const enrollFinishRequestSchema = z.object({
  enrollment_id: z.string().min(1).max(64),
  proof: z.string().length(43).pipe(bytes(32)).openapi({
    description: "HMAC-SHA-256 under the activated secret over the facts of the enrollment.",
  }),
}).openapi("EnrollFinishRequest");

export const enrollFinishResponseSchema = z.object({
  agent_id: agentId,
  labels: z.array(z.string()),
  tier: z.literal("tpm"),
}).openapi("EnrollFinishResponse");

export const machineSchema = z.object({
  agent_id: agentId,
  ek_sha256: ekSha256,
  ak_name: z.string().openapi({ description: "Name of the attestation key, hex." }),
  labels: z.array(z.string()),
  state: z.enum(["active", "revoked"]),
  enrolled_at: instantSchema,
  revoked_at: instantSchema.optional(),
  reason: z.string().optional().openapi({ description: "Why it was revoked." }),
  attestation: z.object({
    result: z.string().openapi({ description: "`ok`, or the code of the refusal." }),
    purpose: z.string(),
    policy_version: z.string(),
    at: instantSchema,
  }).optional().openapi({ description: "What became of its last authentic quote; absent before the first." }),
});

export const machinesQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(maxMachinePage).optional(),
  after: agentId.optional().openapi({ description: "Go on after this one." }),
});

export const machinesResponseSchema = z.object({
  machines: z.array(machineSchema),
  next: agentId.optional().openapi({
    description: "Pass it as `after` for what follows; absent at the end.",
  }),
}).openapi("MachinesResponse");

export const machineParamsSchema = z.object({ agent_id: agentId });

export const machineResponseSchema = machineSchema.extend({
  tpm: z.object({
    manufacturer: z.string(),
    vendor: z.string().optional().openapi({ description: "Letters of the manufacturer's id." }),
    model: z.string(),
    version: z.string().openapi({ description: "Of the firmware when the TPM was made." }),
    certificate_sha256: z.string(),
    serial: z.string(),
    expires_at: instantSchema,
  }).optional().openapi({ description: "What the EK certificate says of the TPM." }),
  ek_certificate: told.openapi({ description: "X.509, DER." }),
  ak_public: told.openapi({ description: "TPMT_PUBLIC." }),
}).openapi("MachineResponse");

const which = {
  agent_id: agentId.optional(),
  ek_sha256: ekSha256.optional(),
  management_token: managementTokenSchema.optional().openapi({
    description: "An operator's token, unless it is the Bearer.",
  }),
};
const one = (request: { agent_id?: string; ek_sha256?: string }) =>
  (request.agent_id === undefined) !== (request.ek_sha256 === undefined);
const oneError = { error: "needs agent_id or ek_sha256, and not both" };

export const revokeMachineRequestSchema = z.object({
  ...which,
  reason: z.string().min(1).max(maxReasonChars).openapi({ example: "stolen" }),
}).refine(one, oneError).openapi("RevokeMachineRequest");

export const revokeMachineResponseSchema = z.object({
  revoked: z.literal(true),
  agent_id: agentId,
  already: z.boolean().openapi({ description: "It was revoked before; its first reason stays." }),
}).openapi("RevokeMachineResponse");

export const deleteMachineRequestSchema = z.object({
  agent_id: agentId,
  management_token: which.management_token,
}).openapi("DeleteMachineRequest");

export const deleteMachineResponseSchema = z.object({
  deleted: z.literal(true),
  agent_id: agentId,
}).openapi("DeleteMachineResponse");

export const restoreMachineRequestSchema = z.object(which).refine(one, oneError).openapi(
  "RestoreMachineRequest",
);

export const restoreMachineResponseSchema = z.object({
  restored: z.literal(true),
  agent_id: agentId,
}).openapi("RestoreMachineResponse");
