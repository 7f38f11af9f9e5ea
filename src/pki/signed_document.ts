/**
 * JSON that authorities sign: the bytes of the payload are what is signed, with what they are in front, so that no document is
 * taken for another.
 *
 * ```json
 * { "payload": "<base64url of JSON>", "signatures": [{ "by": "<base64url of a certificate, DER>", "signature": "<base64url>" }] }
 * ```
 */
import { z } from "zod";
import { type Certificate, signatureHolds } from "../attestation/ek/mod.ts";
import { concat, fromBase64Url, toBase64Url, utf8, utf8Decode } from "../bytes/mod.ts";
import { ecdsaSignature } from "../x509/mod.ts";
import type { Authority } from "./authority.ts";
import { readNodeCertificate } from "./certificate.ts";

export type DocumentKind = "trust bundle" | "revocations";

/** Characters of the longest payload: some 10,000 revocations. */
const maxPayloadChars = 2 * 1_024 * 1_024;
/** The current issuing CA, the one before, a root, the bootstrap CA; a control each. */
const maxSignatures = 16;

const schema = z.object({
  payload: z.string().min(1).max(maxPayloadChars),
  signatures: z.array(z.object({ by: z.string().max(12_000), signature: z.string().max(200) })).min(1).max(
    maxSignatures,
  ),
});
export type SignedDocument = z.infer<typeof schema>;

export interface OpenedDocument {
  /** JSON, not checked. */
  readonly payload: unknown;
  /** Whose signatures hold. Whether they count is the caller's question. */
  readonly signers: readonly Certificate[];
}

export async function signDocument(
  kind: DocumentKind,
  payload: unknown,
  authorities: readonly Authority[],
): Promise<SignedDocument> {
  const bytes = utf8(JSON.stringify(payload));
  const signed = signedBytes(kind, bytes);
  return {
    payload: toBase64Url(bytes),
    signatures: await Promise.all(authorities.map(async ({ certificate, privateKey }) => ({
      by: toBase64Url(certificate.bytes),
      signature: toBase64Url(await ecdsaSignature(privateKey, signed)),
    }))),
  };
}

/** Signatures that do not hold, or are by what is no certificate, are none. Undefined for what is no such document. */
export function openDocument(kind: DocumentKind, document: unknown): OpenedDocument | undefined {
  const parsed = schema.safeParse(document);
  if (!parsed.success) return undefined;
  try {
    const bytes = fromBase64Url(parsed.data.payload);
    const signed = signedBytes(kind, bytes);
    const signers = parsed.data.signatures.flatMap(({ by, signature }) => signerOf(signed, by, signature));
    return { payload: JSON.parse(utf8Decode(bytes)), signers };
  } catch {
    return undefined;
  }
}

function signerOf(signed: Uint8Array, by: string, signature: string): Certificate[] {
  try {
    const certificate = readNodeCertificate(fromBase64Url(by));
    const holds = signatureHolds(
      { kind: "ecc", hash: "sha256" },
      certificate.key,
      signed,
      fromBase64Url(signature),
    );
    return holds ? [certificate] : [];
  } catch {
    return [];
  }
}

function signedBytes(kind: DocumentKind, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(utf8(`postern ${kind} v1\0`), payload);
}
