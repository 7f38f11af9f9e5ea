/** The control plane: tunnels, tokens and attestation over HTTP. */
export {
  adminAuthority,
  type Administrator,
  channelPage,
  checkOrigin,
  csrfHeader,
  csrfTokenOf,
  firstInvite,
  inviteAdmin,
  nodePage,
  type NodeVersion,
  nodeVersions,
  type NodeView,
  OidcProvider,
  type Overview,
  overviewOf,
  type Page,
  policyDiff,
  qrModules,
  quietModules,
  type RequireAdmin,
  servicePage,
  type ServiceView,
  setupPath,
} from "./admin/mod.ts";
export { AuditBudget } from "./audit_budget.ts";
export { controlApp, controlPaths } from "./app.ts";
export {
  type ControlConfig,
  controlDefaults,
  type ControlDeps,
  type ControlEvents,
  type DeletionReason,
  type EdgeDescription,
  type LiveChannel,
  type PolicyInForce,
  type Presence,
  type RateGroup,
  type RateLimit,
  unmeasured,
} from "./config.ts";
export { drainedPriority } from "./candidates.ts";
export {
  agentsOnline,
  type AskEdges,
  channelsOfEdges,
  type ChannelTotals,
  drainAtEdges,
  type DrainTarget,
  type EdgeAnswer,
  type EdgeAnswers,
  type EdgeQuestion,
  lookedUp,
  questionOf,
  totalsOfEdges,
} from "./edge_question.ts";
export { bearerOf, grantManagementToken, issueManagementToken, requireManagement } from "./credentials.ts";
export type { GrantDelivery, OfferTaken, ServingEdge } from "./grant_delivery.ts";
export { type ControlEnv, type Problem, rateLimit } from "./http.ts";
export { RateLimiter } from "./rate_limit.ts";
export { hostnameOf } from "./tunnel_tokens.ts";
export { stateOf } from "./machine_state.ts";
export { deleteMachine, machineOf, machinePage, restoreMachine, revokeMachine } from "./machines.ts";
export type { Credential, EkTemplateName, JudgedKeys, MachineTrust, ShownKeys } from "./machine_trust.ts";
export type { AuthorityVault, VaultKind } from "./authority_vault.ts";
export { endingWarnings } from "./authority_expiry.ts";
export { NodeAuthorities } from "./node_authorities.ts";
export {
  applyPolicy,
  listPolicies,
  type MachineOutcome,
  maxOverlapSeconds,
  type PolicyFacts,
  type PolicyPlan,
  policyVersions,
} from "./policies.ts";
export { NodeDesk } from "./node_desk.ts";
export { PolicyBook, policyChooser } from "./policy_book.ts";
export { attestedTier } from "./live_attestation.ts";
export { mayConnect } from "./private_services.ts";
export { startRevocationWatch } from "./revocation_watch.ts";
export { tpmTrust } from "./tpm_trust.ts";
export { openApiDocument } from "./routes.ts";
export { keepKeyset, openKeyset, startUpkeep, sweepAbandoned, upkeepIntervalMs } from "./upkeep.ts";
export { tpmVerifier } from "./tpm_verifier.ts";
export { VerifierCredentials } from "./verifier_credentials.ts";
