/** Attestation: what evidence is bound to, who makes it and who judges it. */
export { agentIdOf } from "./agent_id.ts";
export {
  type Evidence,
  type EvidenceContext,
  type EvidenceProvider,
  type EvidenceVerdict,
  type EvidenceVerifier,
  judgeEvidence,
} from "./evidence.ts";
export { type EvidencePurpose, qualifyingData, type QualifyingFacts } from "./qualifying_data.ts";
export { softwareProvider, softwareVerifier } from "./software.ts";
