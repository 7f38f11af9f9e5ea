/** What control is asked. */
import { toBase64Url } from "../src/bytes/mod.ts";
import type { SignedDocument } from "../src/pki/mod.ts";
import { type ChannelAnswer, channelAnswer, type ChannelRequest } from "./private/channel_messages.ts";
import {
  type AuthoritiesAnswer,
  authoritiesAnswer,
  authorityRequested,
  type IdentityRevoked,
  identityRevoked,
  type NodeRuleRequest,
  type NodeRulesAnswer,
  nodeRulesAnswer,
  nodeRulesChanged,
  type RevokeIdentityRequest,
} from "./authority_messages.ts";
import {
  type AuditAnswer,
  auditAnswer,
  type ChallengeAnswer,
  challengeAnswer,
  type ChallengeRequest,
  type CreateAnswer,
  createAnswer,
  type CreateRequest,
  deleteAnswer,
  type DeleteRequest,
  type EvidenceAnswer,
  evidenceAnswer,
  type EvidenceRequest,
  type IssueTokenRequest,
  type RevokeAnswer,
  revokeAnswer,
  type RevokeTokenRequest,
  type TokenAnswer,
  tokenAnswer,
} from "./control_messages.ts";
import { ControlRequests, type ControlRequestsOptions } from "./control_requests.ts";
import {
  type EkProof,
  type IdentityAnswer,
  identityAnswer,
  type IdentityRenewRequest,
  nonceAnswer,
  revocationsAnswer,
  trustBundlesAnswer,
} from "./identity_messages.ts";
import {
  type EnrollBeginAnswer,
  enrollBeginAnswer,
  type EnrollBeginRequest,
  type EnrollFinishAnswer,
  enrollFinishAnswer,
  type EnrollFinishRequest,
  type EnrollmentLinkAnswer,
  enrollmentLinkAnswer,
  type EnrollmentTokenAnswer,
  enrollmentTokenAnswer,
  type EnrollmentTokenRequest,
  type MachineAnswer,
  machineAnswer,
  machineDeleted,
  type MachineName,
  machineRestored,
  type MachineRevoked,
  machineRevoked,
  type MachinesAnswer,
  machinesAnswer,
} from "./machine_messages.ts";
import {
  type ApplyPolicyAnswer,
  applyPolicyAnswer,
  type ApplyPolicyRequest,
  type LearnPolicyAnswer,
  learnPolicyAnswer,
  type LearnPolicyRequest,
  type PoliciesAnswer,
  policiesAnswer,
  type PolicyAnswer,
  policyAnswer,
} from "./policy_messages.ts";

export class ControlClient {
  readonly #requests: ControlRequests;

  /** Throws `ca_certificates_invalid`. */
  constructor(options: ControlRequestsOptions) {
    this.#requests = new ControlRequests(options);
  }

  /** The address that is asked now. */
  get url(): string {
    return this.#requests.url;
  }

  /** Whether requests carry a management token. */
  get hasToken(): boolean {
    return this.#requests.hasToken;
  }

  /**
   * Creates the tunnel, or takes it up again; `alone` without the management token, by the recreate token of the request.
   * Throws what every method throws: the codes of control, and those of the way to it.
   */
  create(request: CreateRequest, signal: AbortSignal, alone = false): Promise<CreateAnswer> {
    return this.#requests.post("tunnels/create", request, createAnswer, signal, !alone);
  }

  async delete(request: DeleteRequest, signal: AbortSignal): Promise<void> {
    await this.#requests.post("tunnels/delete", request, deleteAnswer, signal, true);
  }

  challenge(request: ChallengeRequest, signal: AbortSignal): Promise<ChallengeAnswer> {
    return this.#requests.post("attest/challenge", request, challengeAnswer, signal, false);
  }

  evidence(request: EvidenceRequest, signal: AbortSignal): Promise<EvidenceAnswer> {
    return this.#requests.post("attest/evidence", request, evidenceAnswer, signal, false);
  }

  /** A channel to a private service: the client's grant; the service's agent has the other one. */
  initChannel(request: ChannelRequest, signal: AbortSignal): Promise<ChannelAnswer> {
    return this.#requests.post("v1/channel/init", request, channelAnswer, signal, true);
  }

  /** Another management token out of the one that there is. */
  refreshToken(signal: AbortSignal): Promise<TokenAnswer> {
    return this.#requests.post("auth/token", {}, tokenAnswer, signal, true);
  }

  issueToken(request: IssueTokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    return this.#requests.post("auth/token/issue", request, tokenAnswer, signal, true);
  }

  revokeTokens(request: RevokeTokenRequest, signal: AbortSignal): Promise<RevokeAnswer> {
    return this.#requests.post("auth/token/revoke", request, revokeAnswer, signal, true);
  }

  /** A page of the audit log, oldest first; for operators. */
  auditLines(afterId: number, signal: AbortSignal): Promise<AuditAnswer> {
    return this.#requests.get(`v1/audit?after=${afterId}`, auditAnswer, signal, true);
  }

  /** A token that lets one machine enroll; for operators. */
  issueEnrollmentToken(request: EnrollmentTokenRequest, signal: AbortSignal): Promise<EnrollmentTokenAnswer> {
    return this.#requests.post("v1/enroll/tokens", request, enrollmentTokenAnswer, signal, true);
  }

  /** As {@link issueEnrollmentToken}, with a link that shows the token once. */
  linkEnrollmentToken(request: EnrollmentTokenRequest, signal: AbortSignal): Promise<EnrollmentLinkAnswer> {
    return this.#requests.post(
      "api/admin/tokens",
      { ...request, delivery: "link" },
      enrollmentLinkAnswer,
      signal,
      true,
    );
  }

  beginEnrollment(request: EnrollBeginRequest, signal: AbortSignal): Promise<EnrollBeginAnswer> {
    return this.#requests.post("v1/enroll/begin", request, enrollBeginAnswer, signal, false);
  }

  finishEnrollment(request: EnrollFinishRequest, signal: AbortSignal): Promise<EnrollFinishAnswer> {
    return this.#requests.post("v1/enroll/finish", request, enrollFinishAnswer, signal, false);
  }

  /** This node's first certificate, for a one-time token. */
  enrollIdentity(
    token: string,
    csr: string,
    signal: AbortSignal,
    ekProof?: EkProof,
  ): Promise<IdentityAnswer> {
    const { enrollmentId, proof } = ekProof ?? {};
    const byTpm = proof === undefined ? {} : { enrollment_id: enrollmentId, proof: toBase64Url(proof) };
    return this.#requests.post("v1/identity/enroll", { token, csr, ...byTpm }, identityAnswer, signal, false);
  }

  async renewalNonce(signal: AbortSignal): Promise<string> {
    return (await this.#requests.post("v1/identity/nonce", {}, nonceAnswer, signal, false)).nonce;
  }

  renewIdentity(request: IdentityRenewRequest, signal: AbortSignal): Promise<IdentityAnswer> {
    return this.#requests.post("v1/identity/renew", request, identityAnswer, signal, false);
  }

  /** Trust bundles after the one that is held, oldest first. */
  async trustBundles(after: number, signal: AbortSignal): Promise<readonly SignedDocument[]> {
    const path = `v1/trust-bundle?after=${after}`;
    return (await this.#requests.get(path, trustBundlesAnswer, signal, false)).trust_bundles;
  }

  nodeRevocations(signal: AbortSignal): Promise<SignedDocument> {
    return this.#requests.get("v1/revocations", revocationsAnswer, signal, false);
  }

  /** The authorities of nodes; for operators, like the two below. */
  authorities(signal: AbortSignal): Promise<AuthoritiesAnswer> {
    return this.#requests.get("api/admin/ca", authoritiesAnswer, signal, true);
  }

  /** The request of an issuing CA whose root is offline. For operators. */
  requestAuthority(signal: AbortSignal): Promise<{ request: string }> {
    return this.#requests.post("api/admin/ca/request", {}, authorityRequested, signal, true);
  }

  /** @param certificate PEM. For operators. */
  importAuthority(certificate: string, signal: AbortSignal): Promise<AuthoritiesAnswer> {
    return this.#requests.post("api/admin/ca/import", { certificate }, authoritiesAnswer, signal, true);
  }

  rotateAuthorities(what: "issuing" | "root", signal: AbortSignal): Promise<AuthoritiesAnswer> {
    return this.#requests.post("api/admin/ca/rotate", { what }, authoritiesAnswer, signal, true);
  }

  revokeIdentity(request: RevokeIdentityRequest, signal: AbortSignal): Promise<IdentityRevoked> {
    return this.#requests.post("v1/revocations", request, identityRevoked, signal, true);
  }

  /** Which tunnelers may come to which connectors; for operators, like the two below. */
  nodeRules(signal: AbortSignal): Promise<NodeRulesAnswer> {
    return this.#requests.get("api/admin/node-rules", nodeRulesAnswer, signal, true);
  }

  allowNodes(rule: NodeRuleRequest, signal: AbortSignal): Promise<{ readonly changed: boolean }> {
    return this.#requests.post("api/admin/node-rules/allow", rule, nodeRulesChanged, signal, true);
  }

  disallowNodes(rule: NodeRuleRequest, signal: AbortSignal): Promise<{ readonly changed: boolean }> {
    return this.#requests.post("api/admin/node-rules/disallow", rule, nodeRulesChanged, signal, true);
  }

  /** A page of machines in the order of their agent ids; for operators, like the four below. */
  machines(after: string | undefined, signal: AbortSignal): Promise<MachinesAnswer> {
    const query = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
    return this.#requests.get(`v1/machines?limit=200${query}`, machinesAnswer, signal, true);
  }

  machine(agentId: string, signal: AbortSignal): Promise<MachineAnswer> {
    const path = `v1/machines/${encodeURIComponent(agentId)}`;
    return this.#requests.get(path, machineAnswer, signal, true);
  }

  revokeMachine(which: MachineName, reason: string, signal: AbortSignal): Promise<MachineRevoked> {
    return this.#requests.post("v1/machines/revoke", { ...which, reason }, machineRevoked, signal, true);
  }

  async restoreMachine(which: MachineName, signal: AbortSignal): Promise<string> {
    return (await this.#requests.post("v1/machines/restore", which, machineRestored, signal, true)).agent_id;
  }

  async deleteMachine(agentId: string, signal: AbortSignal): Promise<void> {
    await this.#requests.post("v1/machines/delete", { agent_id: agentId }, machineDeleted, signal, true);
  }

  /** All PCR policies; for operators, like the three below. */
  policies(signal: AbortSignal): Promise<PoliciesAnswer> {
    return this.#requests.get("v1/policies", policiesAnswer, signal, true);
  }

  policy(name: string, version: number | undefined, signal: AbortSignal): Promise<PolicyAnswer> {
    const query = version === undefined ? "" : `?version=${version}`;
    const path = `v1/policies/${encodeURIComponent(name)}${query}`;
    return this.#requests.get(path, policyAnswer, signal, true);
  }

  applyPolicy(request: ApplyPolicyRequest, signal: AbortSignal): Promise<ApplyPolicyAnswer> {
    return this.#requests.post("v1/policies", request, applyPolicyAnswer, signal, true);
  }

  learnPolicy(request: LearnPolicyRequest, signal: AbortSignal): Promise<LearnPolicyAnswer> {
    return this.#requests.post("v1/policies/learn", request, learnPolicyAnswer, signal, true);
  }

  /** Ends idle connections. Idempotent. */
  close(): void {
    this.#requests.close();
  }
}
