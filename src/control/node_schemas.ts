/** JSON of node identities, with what the API description says about each field. */
import { z } from "@hono/zod-openapi";
import { maxCertificateBytes } from "../attestation/ek/mod.ts";
import { fromBase64Url } from "../bytes/mod.ts";
import { isNodeId, maxCsrBytes, nodeRoles, revokedKinds, severities } from "../pki/mod.ts";
import { instantSchema, managementTokenSchema } from "./schemas.ts";

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

const csr = bytes(maxCsrBytes).openapi({
  description: "PKCS #10 in DER, of a P-256 key that never leaves the node.",
});
const nonce = z.string().min(1).max(64);
/** An ECDSA signature of P-256 in DER has 72 bytes at most. */
const maxSignatureBytes = 80;
const maxReasonChars = 200;

export const nodeRoleSchema = z.enum(nodeRoles);
export const nodeIdSchema = z.string().refine(isNodeId, {
  error: "must be 1 to 64 letters, digits and ._-, beginning and ending with a letter or digit",
});

const signedDocument = z.object({
  payload: z.string().openapi({ description: "JSON, base64url: the bytes that are signed." }),
  signatures: z.array(z.object({
    by: z.string().openapi({ description: "Certificate of the signing authority, DER, base64url." }),
    signature: z.string(),
  })),
}).openapi("SignedDocument");

export const identityEnrollRequestSchema = z.object({
  token: managementTokenSchema.openapi({ description: "An enrollment token of a role and an id." }),
  csr,
  enrollment_id: z.string().min(1).max(64).optional().openapi({
    description: "Of /v1/enroll/begin with the same token, where that is bound to an endorsement key.",
  }),
  proof: z.string().length(43).pipe(bytes(32)).optional().openapi({
    description: "HMAC-SHA-256 under the secret that the TPM gave out, as for /v1/enroll/finish.",
  }),
}).refine(({ enrollment_id, proof }) => (enrollment_id === undefined) === (proof === undefined), {
  error: "needs enrollment_id and proof, or neither",
}).openapi("IdentityEnrollRequest");

export const identityResponseSchema = z.object({
  spiffe_id: z.string().openapi({ example: "spiffe://tunnel.example.com/connector/c1" }),
  certificate_chain: z.array(z.string()).openapi({
    description: "X.509, DER, base64url: the node's, then its issuing CA's.",
  }),
  trust_bundle: signedDocument.openapi({ description: "The newest trust bundle." }),
  trust_bundles: z.array(signedDocument).openapi({
    description: "All after the held one, oldest first: each is believed by the one before it.",
  }),
  revocations: signedDocument,
  expires_at: instantSchema,
}).openapi("IdentityResponse");

export const renewalNonceResponseSchema = z.object({ nonce, expires_at: instantSchema }).openapi(
  "RenewalNonceResponse",
);

export const identityRenewRequestSchema = z.object({
  certificate: bytes(maxCertificateBytes).openapi({ description: "The node's certificate, DER." }),
  nonce,
  csr,
  proof: bytes(maxSignatureBytes).openapi({
    description:
      "By the certificate's key: ECDSA with SHA-256, DER, over `postern identity renewal v1`, a zero octet, " +
      "the nonce, a zero octet, and the SHA-256 of the request.",
  }),
  trust_bundle_version: z.int().min(1).openapi({ description: "Of the bundle that the node holds." }),
}).openapi("IdentityRenewRequest");

export const trustBundleQuerySchema = z.object({
  after: z.coerce.number().int().min(0).optional().openapi({
    description: "Version of the bundle that is held.",
  }),
});

export const trustBundleResponseSchema = z.object({
  version: z.int(),
  trust_bundles: z.array(signedDocument).openapi({
    description: "Oldest first; the newest when none is newer.",
  }),
}).openapi("TrustBundleResponse");

export const revocationsResponseSchema = signedDocument;

export const revokeIdentityRequestSchema = z.object({
  kind: z.enum(revokedKinds).openapi({
    description: "A certificate by its serial number, a key by its SHA-256, or a node by its SPIFFE id.",
  }),
  value: z.string().min(1).max(384),
  severity: z.enum(severities).default("cut").openapi({
    description: "Channels that stand end after 30 s (drain), or at once (cut).",
  }),
  reason: z.string().min(1).max(maxReasonChars).openapi({ example: "stolen" }),
  management_token: managementTokenSchema.optional().openapi({
    description: "An operator's token, unless it is the Bearer.",
  }),
}).openapi("RevokeIdentityRequest");

export const revokeIdentityResponseSchema = z.object({
  revoked: z.literal(true),
  kind: z.enum(revokedKinds),
  value: z.string(),
  already: z.boolean(),
}).openapi("RevokeIdentityResponse");
