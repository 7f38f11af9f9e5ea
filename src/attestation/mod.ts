/** Attestation: what evidence is bound to, who makes it and who judges it. */
export { agentIdOf, agentIdOfDigest } from "./agent_id.ts";
export { type EnrollmentFacts, enrollmentProof } from "./enrollment_proof.ts";
export {
  type Evidence,
  type EvidenceContext,
  type EvidenceProvider,
  type EvidenceQuestion,
  type EvidenceVerdict,
  type EvidenceVerifier,
  judgeEvidence,
  type TpmInstant,
} from "./evidence.ts";
export {
  maxPcr,
  type PcrBank,
  pcrBankSchema,
  type PcrSelection,
  pcrSelectionSchema,
} from "./pcr_selection.ts";
export { type EvidencePurpose, qualifyingData, type QualifyingFacts } from "./qualifying_data.ts";
export { boundKeyAgent, boundKeyProvider, boundKeyVerifier } from "./bound_key.ts";
