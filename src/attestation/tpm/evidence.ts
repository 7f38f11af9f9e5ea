/**
 * Evidence of kind `tpm` as it travels, JSON:
 *
 * ```
 * { "kind": "tpm",
 *   "agent_id": "agent-…",
 *   "quote": base64url(TPMS_ATTEST), "signature": base64url(TPMT_SIGNATURE),
 *   "pcrs": { "bank": "sha256", "values": { "0": "<hex>", … } } }
 * ```
 * All of it is a peer's. Reading it believes nothing: that is the business of {@link verifyQuote}.
 */
import { z } from "zod";
import { fromBase64Url, toBase64Url } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { maxPcr, type PcrBank, pcrBankSchema } from "../pcr_selection.ts";
import { maxDigestBytes } from "./hash.ts";

const kind = "tpm";

/** The longest quote of one bank has 249 bytes, with 16 banks 339. */
const maxQuoteBytes = 512;
/** RSA-4096 and its header have 518 bytes. */
const maxSignatureBytes = 1024;
/** `agent-` and 26 characters. */
const maxAgentIdChars = 64;

export interface TpmEvidence {
  /** Who it says it is from. */
  readonly agentId: string;
  /** TPMS_ATTEST. */
  readonly quote: Uint8Array<ArrayBuffer>;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly pcrs: {
    readonly bank: PcrBank;
    /** By PCR: digest, lower-case hex. */
    readonly values: Readonly<Record<string, string>>;
  };
}

const evidenceSchema = z.strictObject({
  kind: z.literal(kind),
  agent_id: z.string().max(maxAgentIdChars).regex(/^agent-[a-z2-7]{26}$/),
  quote: z.string().min(1),
  signature: z.string().min(1),
  pcrs: z.strictObject({
    bank: pcrBankSchema,
    values: z.record(
      z.string().regex(/^(0|[1-9][0-9]?)$/).refine((pcr) => Number(pcr) <= maxPcr),
      z.string().max(2 * maxDigestBytes).regex(/^[0-9a-f]*$/),
    ),
  }),
});

/** Members that a refusal may name: what else a peer sends is its own text. */
const MEMBERS: ReadonlySet<PropertyKey> = new Set([
  ...Object.keys(evidenceSchema.shape),
  ...Object.keys(evidenceSchema.shape.pcrs.shape),
]);

/** The JSON of evidence. */
export function writeTpmEvidence(
  { agentId, quote, signature, pcrs }: TpmEvidence,
): z.infer<typeof evidenceSchema> {
  return {
    kind,
    agent_id: agentId,
    quote: toBase64Url(quote),
    signature: toBase64Url(signature),
    pcrs,
  };
}

/**
 * Reads evidence out of parsed JSON. Throws `evidence_malformed` when a member is missing, unknown or in another form,
 * `evidence_too_large`, `evidence_base64_malformed`.
 */
export function readTpmEvidence(evidence: unknown): TpmEvidence {
  const parsed = evidenceSchema.safeParse(evidence);
  if (!parsed.success) {
    throw new PosternError("evidence_malformed", "Cannot judge evidence: it is not that of a TPM", {
      // A member's name may be the peer's text.
      detail: { field: parsed.error.issues[0].path.filter((part) => MEMBERS.has(part)).join(".") },
    });
  }
  const { agent_id, quote, signature, pcrs } = parsed.data;
  return {
    agentId: agent_id,
    quote: bytesOf("quote", quote, maxQuoteBytes),
    signature: bytesOf("signature", signature, maxSignatureBytes),
    pcrs,
  };
}

function bytesOf(field: string, text: string, maxBytes: number): Uint8Array<ArrayBuffer> {
  // Base64 holds 6 bits a character.
  if (text.length > Math.ceil(maxBytes * 8 / 6)) {
    throw new PosternError(
      "evidence_too_large",
      `Cannot judge evidence: its ${field} exceeds ${maxBytes} bytes`,
      {
        detail: { field },
      },
    );
  }
  try {
    return fromBase64Url(text);
  } catch (cause) {
    throw new PosternError(
      "evidence_base64_malformed",
      `Cannot judge evidence: its ${field} is no base64url`,
      {
        cause,
        detail: { field },
      },
    );
  }
}
