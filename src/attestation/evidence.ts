/** Evidence of an agent's identity: who makes it, who judges it. A kind is added by one provider and one verifier. */
import { PosternError } from "../errors/mod.ts";
import type { Tier } from "../identity/mod.ts";
import type { PcrSelection } from "./pcr_selection.ts";
import type { QualifyingFacts } from "./qualifying_data.ts";

/** Evidence as it travels: `kind` and what the kind prescribes, JSON. */
export interface Evidence {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** What control asks of an agent. */
export interface EvidenceQuestion {
  /** 32 bytes; see {@link QualifyingFacts}. */
  readonly qualifyingData: Uint8Array;
  /** What a quote has to cover; absent where the policy asks for none. */
  readonly pcrs?: PcrSelection;
}

/** An agent's side. */
export interface EvidenceProvider {
  /** Of its evidence, and the tier that this proves. */
  readonly kind: Tier;
  readonly agentId: string;
  /** Signs the qualifying data with the key that `agentId` names. Gives up when the signal aborts. */
  prove(question: EvidenceQuestion, signal?: AbortSignal): Promise<Evidence>;
}

/** A point on the clock of a TPM. */
export interface TpmInstant {
  readonly resetCount: number;
  readonly clockMs: number;
}

/** What evidence must be bound to. The agent id is the verifier's to find out, never the agent's to say. */
export interface EvidenceContext extends Omit<QualifyingFacts, "agentId"> {
  /** What was asked for with the challenge. */
  readonly pcrs?: PcrSelection;
  /** Where the clock of the agent's TPM stood, as far as was known, when the challenge was opened. */
  readonly clockBefore?: TpmInstant;
}

/** What evidence proves. */
export interface EvidenceVerdict {
  /** How well the key is kept. */
  readonly tier: Tier;
  readonly agentId: string;
  /** `policy@version` that it satisfied, where that is another than the one of the challenge. */
  readonly policyVersion?: string;
  /** How often the agent's TPM was reset, as the evidence tells; a channel stands for one reset at most. */
  readonly resetCount?: number;
}

/** The judge of one kind. Throws a `PosternError` for every doubt. */
export interface EvidenceVerifier {
  readonly kind: string;
  verify(evidence: Evidence, context: EvidenceContext): Promise<EvidenceVerdict>;
}

/** Hands evidence to the verifier of its kind. Throws `evidence_kind_unsupported`, and what the verifier throws. */
export async function judgeEvidence(
  evidence: Evidence,
  context: EvidenceContext,
  verifiers: readonly EvidenceVerifier[],
): Promise<EvidenceVerdict> {
  const verifier = verifiers.find((candidate) => candidate.kind === evidence.kind);
  if (verifier === undefined) {
    throw new PosternError("evidence_kind_unsupported", "Cannot judge evidence: no verifier admits its kind");
  }
  return await verifier.verify(evidence, context);
}
