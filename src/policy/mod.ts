/** PCR policies: which counts for a machine, whether its quote satisfies it, whether it continues the one before. */
export { baseline } from "./baseline.ts";
export { choosePolicy, type Labelled, rivalOf, sameLabels } from "./choose_policy.ts";
export { type AppliedPolicy, type PoliciesInForce, policiesInForce, selectionFor } from "./in_force.ts";
export {
  type Continuity,
  type ContinuityFacts,
  judgeContinuity,
  type TpmClock,
  tpmClockSchema,
} from "./judge_continuity.ts";
export { doubtOf, judgePcrs, type PolicyDoubt } from "./judge_pcrs.ts";
export { learnPolicy, type LearnRequest, type Learnt, type Observation } from "./learn_policy.ts";
export {
  type AllowedValues,
  type PcrPolicy,
  pcrPolicySchema,
  type PcrValues,
  policyLabelSchema,
  policyNameSchema,
  readPolicy,
  selectionOf,
  versionOf,
} from "./pcr_policy.ts";
export { tellsOfMachine } from "./machine_refusals.ts";
export { matchesNodeId, type NodeAccess, parseNodeSelector, tunnelersOf } from "./node_access.ts";
export { type PolicyChange, policyChanges } from "./policy_changes.ts";
