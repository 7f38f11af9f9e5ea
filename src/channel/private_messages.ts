/** What messages 2 and 3 of a private channel's handshake carry besides keys: small JSON objects, strictly checked. */
import { z } from "zod";
import { base64Url32 } from "../identity/mod.ts";

const base64Url = (maxChars: number) => z.string().min(1).max(maxChars).regex(/^[A-Za-z0-9_-]+$/);

/** Certificates that an endpoint shows: its own and what issued it. */
const MAX_CHAIN = 4;
const MAX_CERTIFICATE_CHARS = 2_800;
const MAX_SIGNATURE_CHARS = 256;

/**
 * Who an endpoint says that it is, and a signature by that identity's key over `identityTranscript`. `bound-key`: an agent's
 * Ed25519 key. `certificate`: a node's X.509 certificate, P-256.
 */
const identityProof = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("bound-key"),
    identity_key: base64Url32,
    signature: base64Url(MAX_SIGNATURE_CHARS),
  }),
  z.strictObject({
    kind: z.literal("certificate"),
    /** DER, base64url; the endpoint's own first. */
    chain: z.array(base64Url(MAX_CERTIFICATE_CHARS)).min(1).max(MAX_CHAIN),
    signature: base64Url(MAX_SIGNATURE_CHARS),
  }),
]);
export type IdentityProof = z.infer<typeof identityProof>;

/** How an endpoint introduces itself. */
export const introduction = z.strictObject({
  /** Its wall clock: Unix seconds. */
  time: z.int().min(1).max(8_640_000_000_000),
  version: z.string().max(64),
  proofs: z.array(identityProof).max(2),
});
export type Introduction = z.infer<typeof introduction>;

/** Message 2: the server's introduction, or why there is none. */
export const serverIntroduction = z.union([
  introduction,
  z.strictObject({ error: z.string().min(1).max(64).regex(/^[a-z0-9_]+$/) }),
]);
