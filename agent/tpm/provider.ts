/** Evidence of kind `tpm`: a quote by this machine's TPM. */
import type { Evidence, EvidenceProvider, EvidenceQuestion } from "../../src/attestation/mod.ts";
import { writeTpmEvidence } from "../../src/attestation/tpm/mod.ts";
import { toHex } from "../../src/bytes/mod.ts";
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
    const hex = Object.fromEntries([...values].map(([pcr, value]) => [pcr, toHex(value)]));
    return { ...writeTpmEvidence({ agentId: this.agentId, quote, signature, pcrs: { bank, values: hex } }) };
  }
}
