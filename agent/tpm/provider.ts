/** Evidence of kind `tpm`: a quote by this machine's TPM. */
import type { Evidence, EvidenceProvider, EvidenceQuestion } from "../../src/attestation/mod.ts";
import { toBase64Url, toHex } from "../../src/bytes/mod.ts";
import { DEFAULT_PCRS, type Tpm } from "./tpm.ts";

export class TpmProvider implements EvidenceProvider {
  readonly kind = "tpm";
  readonly #tpm: Pick<Tpm, "agentId" | "quote">;

  constructor(tpm: Pick<Tpm, "agentId" | "quote">) {
    this.#tpm = tpm;
  }

  get agentId(): string {
    return this.#tpm.agentId;
  }

  /** Throws what {@link Tpm.quote} throws. */
  async prove(question: EvidenceQuestion, signal?: AbortSignal): Promise<Evidence> {
    const { bank } = question.pcrs ?? DEFAULT_PCRS;
    const { quote, signature, values } = await this.#tpm.quote(question, signal);
    return {
      kind: this.kind,
      agent_id: this.agentId,
      quote: toBase64Url(quote),
      signature: toBase64Url(signature),
      pcrs: { bank, values: Object.fromEntries([...values].map(([pcr, value]) => [pcr, toHex(value)])) },
    };
  }
}
