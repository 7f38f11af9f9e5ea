/** An enrolled machine whose TPM says whatever a test wants: its evidence is authentic, what it shows is made up. */
import { createHash } from "node:crypto";
import { agentIdOf, type EvidenceProvider, type EvidenceQuestion } from "../../src/attestation/mod.ts";
import {
  type TpmClockInfo,
  tpmName,
  type TpmQuoteAttest,
  writeTpmEvidence,
} from "../../src/attestation/tpm/mod.ts";
import { fromHex } from "../../src/bytes/mod.ts";
import { RogueTpm } from "../support/rogue_tpm.ts";
import { digest } from "../policy/policies.ts";

export class RogueMachine implements EvidenceProvider {
  readonly kind = "tpm";
  readonly agentId: string;
  readonly tpm: RogueTpm;
  /** What the next quotes show. */
  clock: TpmClockInfo = { resetCount: 5, restartCount: 0, clockMs: 1_000, safe: true };
  firmware = 0x2020_0521_0016_2800n;
  readonly values = new Map<number, string>();

  constructor(n: number, tpm = new RogueTpm()) {
    this.tpm = tpm;
    this.agentId = agentIdOf(new Uint8Array([n]));
  }

  /** What enrollment has to know. */
  get keys() {
    return { akPublic: this.tpm.akPublic, akName: tpmName(this.tpm.publicArea) };
  }

  prove({ qualifyingData, pcrs = { bank: "sha256", pcrs: [0, 7] } }: EvidenceQuestion) {
    const values = Object.fromEntries(pcrs.pcrs.map((pcr) => [pcr, this.values.get(pcr) ?? digest(pcr)]));
    const hash = createHash("sha256");
    for (const pcr of pcrs.pcrs) hash.update(fromHex(values[pcr]));
    const changes: Partial<TpmQuoteAttest> = {
      extraData: qualifyingData,
      clockInfo: this.clock,
      firmwareVersion: this.firmware,
      pcrSelect: [pcrs],
      pcrDigest: new Uint8Array(hash.digest()),
    };
    const { quote, signature } = this.tpm.quote(changes);
    this.clock = { ...this.clock, clockMs: this.clock.clockMs + 1 };
    return Promise.resolve(writeTpmEvidence({
      agentId: this.agentId,
      quote: new Uint8Array(quote),
      signature: new Uint8Array(signature),
      pcrs: { bank: pcrs.bank, values },
    }));
  }
}
