/** What is asked of control about this node's identity, and what is accepted as an answer. */
import { z } from "zod";
import { fromBase64Url } from "../src/bytes/mod.ts";
import type { SignedDocument } from "../src/pki/mod.ts";

/** Decoded. */
const bytes = z.string().min(1).max(12_000).transform((text, context) => {
  try {
    return fromBase64Url(text);
  } catch {
    context.addIssue({ code: "custom", message: "must be base64url without padding" });
    return z.NEVER;
  }
});
/** Believed by its signatures only, which are looked at later. */
const signedDocument: z.ZodType<SignedDocument> = z.object({
  payload: z.string(),
  signatures: z.array(z.object({ by: z.string(), signature: z.string() })).max(16),
});
const bundles = z.array(signedDocument).min(1).max(64);

/** That the TPM of an endorsement key took part in an enrollment, for a token that is bound to it. */
export interface EkProof {
  readonly enrollmentId: string;
  readonly proof: Uint8Array;
}
export const identityAnswer = z.object({
  certificate_chain: z.array(bytes).min(1).max(4),
  trust_bundles: bundles,
  revocations: signedDocument,
});
export type IdentityAnswer = z.infer<typeof identityAnswer>;

export const nonceAnswer = z.object({ nonce: z.string().min(1).max(64) });

export interface IdentityRenewRequest {
  readonly certificate: string;
  readonly nonce: string;
  readonly csr: string;
  readonly proof: string;
  readonly trust_bundle_version: number;
}

export const trustBundlesAnswer = z.object({ trust_bundles: bundles });
export const revocationsAnswer = signedDocument;
