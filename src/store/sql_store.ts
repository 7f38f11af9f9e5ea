/** The store over a database that understands SQL: its parts, put together. */
import type {
  AdminSession,
  AttestationOpening,
  AuditEntry,
  ChallengeRecord,
  MachineEnrollment,
  Store,
  TunnelClaim,
} from "../ports/mod.ts";
import { SqlAdminAccounts } from "./admin_accounts.ts";
import { SqlAdminSessions } from "./admin_sessions.ts";
import { SqlAnnouncements } from "./announcements.ts";
import { SqlAttestations } from "./attestations.ts";
import { SqlAudit } from "./audit.ts";
import { SqlEdges } from "./edges.ts";
import { SqlMachines } from "./machines.ts";
import { SqlNodeAccess } from "./node_access.ts";
import { SqlNodeIdentities } from "./node_identities.ts";
import { SqlNodePresences } from "./node_presences.ts";
import { SqlOnce } from "./once.ts";
import { SqlOpenEnrollments } from "./open_enrollments.ts";
import { SqlPendingPairs } from "./pending_pairs.ts";
import { SqlPolicies } from "./policies.ts";
import { SqlRecords } from "./records.ts";
import { SqlRevocations } from "./revocations.ts";
import { SqlRoutes } from "./routes.ts";
import type { SqlDatabase } from "./sql.ts";
import { SqlTokenFamilies } from "./token_families.ts";
import { timedDatabase, type WriteTimer } from "./timed_database.ts";
import { SqlTunnels } from "./tunnels.ts";

/** Numbers of the store; each has a default. */
export interface StoreOptions {
  /** Wall clock, Unix milliseconds: decides what may be forgotten. */
  readonly wall?: () => number;
  /** Clock difference that is forgiven (ms); spent ids outlive their token by it. */
  readonly clockSkewMs?: number;
  /** Spent ids that are remembered of each kind before new ones are refused. */
  readonly maxRemembered?: number;
  /** Revocations that are remembered before new ones are refused. */
  readonly maxRevocations?: number;
  /** Revoked single tokens of one owner before it has to revoke a family or itself. */
  readonly maxRevokedTokensPerOwner?: number;
  /** Open challenges before new ones are refused. */
  readonly maxChallenges?: number;
  /** Of one owner. */
  readonly maxChallengesPerOwner?: number;
  /** Enrollment tokens that can still be used before new ones are refused. */
  readonly maxEnrollmentTokens?: number;
  /** Enrollments that have begun and not ended before new ones are refused. */
  readonly maxOpenEnrollments?: number;
  /** Revoked endorsement keys before no other can be. */
  readonly maxRevokedEks?: number;
  /** Revoked node identities before no other can be. */
  readonly maxRevokedIdentities?: number;
  /** Versions of one policy that are kept, two at least; the oldest go first. */
  readonly maxPolicyVersions?: number;
  /** Attestations of one agent and tunnel that are kept. */
  readonly maxAttestationsPerAgent?: number;
  /** Families of management tokens that are remembered. */
  readonly maxFamilies?: number;
  /** Routes of other issuers' subjects before new ones are refused. */
  readonly maxRoutes?: number;
  /** Nodes of mutual TLS before new ones are refused. */
  readonly maxNodePresences?: number;
  /** Rules of who may come to whom among nodes. */
  readonly maxNodeRules?: number;
  /** Accounts of administrators. */
  readonly maxAdminAccounts?: number;
  /** Invites of administrators that can still be used before new ones are refused. */
  readonly maxAdminInvites?: number;
  /** Deliveries that can still be fetched before new ones are refused. */
  readonly maxDeliveries?: number;
  /** Pairs of grants whose window is not over before new ones are refused. */
  readonly maxPendingPairs?: number;
  /** Audit lines that are kept; the oldest go first. */
  readonly maxAuditEntries?: number;
  readonly writes?: WriteTimer;
}

const defaultMaxRemembered = 48_000;
const defaultMaxRevocations = 48_000;
const defaultMaxRevokedTokensPerOwner = 1_000;
const defaultMaxChallenges = 16_384;
const defaultMaxChallengesPerOwner = 4_096;
const defaultMaxEnrollmentTokens = 10_000;
const defaultMaxOpenEnrollments = 512;
const defaultMaxRevokedEks = 100_000;
const defaultMaxRevokedIdentities = 10_000;
const defaultMaxPolicyVersions = 64;
const defaultMaxAttestationsPerAgent = 16;
const defaultMaxFamilies = 48_000;
const defaultMaxRoutes = 48_000;
const defaultMaxNodePresences = 100_000;
const defaultMaxNodeRules = 1_000;
const defaultMaxAdminAccounts = 1_000;
const defaultMaxAdminInvites = 256;
const defaultMaxDeliveries = 10_000;
const defaultMaxPendingPairs = 10_000;
const defaultMaxAuditEntries = 100_000;
const defaultClockSkewMs = 30_000;

export function sqlStore(opened: SqlDatabase, options: StoreOptions): Store {
  const database = options.writes === undefined ? opened : timedDatabase(opened, options.writes);
  const tunnels = new SqlTunnels(database);
  const time = {
    wall: options.wall ?? Date.now,
    clockSkewMs: options.clockSkewMs ?? defaultClockSkewMs,
  };
  const revocations = new SqlRevocations(database, {
    ...time,
    maxRevocations: options.maxRevocations ?? defaultMaxRevocations,
    maxRevokedTokensPerOwner: options.maxRevokedTokensPerOwner ?? defaultMaxRevokedTokensPerOwner,
  });
  const once = new SqlOnce(database, {
    ...time,
    maxRemembered: options.maxRemembered ?? defaultMaxRemembered,
    maxChallenges: options.maxChallenges ?? defaultMaxChallenges,
    maxChallengesPerOwner: options.maxChallengesPerOwner ?? defaultMaxChallengesPerOwner,
  });
  const machines = new SqlMachines(database, {
    ...time,
    maxEnrollmentTokens: options.maxEnrollmentTokens ?? defaultMaxEnrollmentTokens,
    maxRevokedEks: options.maxRevokedEks ?? defaultMaxRevokedEks,
  });
  const openEnrollments = new SqlOpenEnrollments(database, {
    ...time,
    maxOpenEnrollments: options.maxOpenEnrollments ?? defaultMaxOpenEnrollments,
  });
  const identities = new SqlNodeIdentities(database, {
    wall: time.wall,
    maxRevokedIdentities: options.maxRevokedIdentities ?? defaultMaxRevokedIdentities,
  });
  const policies = new SqlPolicies(database, options.maxPolicyVersions ?? defaultMaxPolicyVersions);
  const attestations = new SqlAttestations(database, {
    wall: time.wall,
    maxAttestationsPerAgent: options.maxAttestationsPerAgent ?? defaultMaxAttestationsPerAgent,
  });
  const families = new SqlTokenFamilies(database, {
    wall: time.wall,
    maxFamilies: options.maxFamilies ?? defaultMaxFamilies,
  });
  const routes = new SqlRoutes(database, options.maxRoutes ?? defaultMaxRoutes);
  const presences = new SqlNodePresences(database, options.maxNodePresences ?? defaultMaxNodePresences);
  const nodeAccess = new SqlNodeAccess(database, options.maxNodeRules ?? defaultMaxNodeRules);
  const accounts = new SqlAdminAccounts(database, {
    wall: time.wall,
    maxAccounts: options.maxAdminAccounts ?? defaultMaxAdminAccounts,
    maxInvites: options.maxAdminInvites ?? defaultMaxAdminInvites,
  });
  const sessions = new SqlAdminSessions(database, {
    wall: time.wall,
    maxDeliveries: options.maxDeliveries ?? defaultMaxDeliveries,
  });
  const pairs = new SqlPendingPairs(database, {
    wall: time.wall,
    maxPending: options.maxPendingPairs ?? defaultMaxPendingPairs,
  });
  const announcements = new SqlAnnouncements(database);
  const edges = new SqlEdges(database);
  const records = new SqlRecords(database);
  const audit = new SqlAudit(database, options.maxAuditEntries ?? defaultMaxAuditEntries);
  return {
    claimTunnel: (claim: TunnelClaim) => tunnels.claimTunnel(claim),
    tunnel: (tunnelId) => tunnels.tunnel(tunnelId),
    tunnelByName: (name) => tunnels.tunnelByName(name),
    privateTunnel: (owner, name) => tunnels.privateTunnel(owner, name),
    tunnelsOf: (owner) => tunnels.tunnelsOf(owner),
    tunnels: (limit, afterTunnelId) => tunnels.tunnels(limit, afterTunnelId),
    countTunnels: () => tunnels.countTunnels(),
    adoptTunnel: (tunnelId, owner, maxTunnels) => tunnels.adoptTunnel(tunnelId, owner, maxTunnels),
    holdTunnel: (tunnelId, heldUntilMs) => tunnels.holdTunnel(tunnelId, heldUntilMs),
    setTunnelRules: (tunnelId, value) => tunnels.setTunnelRules(tunnelId, value),
    setTunnelTier: (tunnelId, requireTier) => tunnels.setTunnelTier(tunnelId, requireTier),
    deleteTunnel: (tunnelId, heldBeforeMs) => tunnels.deleteTunnel(tunnelId, heldBeforeMs),
    abandonedTunnels: (heldBeforeMs, limit) => tunnels.abandonedTunnels(heldBeforeMs, limit),
    bindAgent: (tunnelId, agentId, nowMs, maxAgents) =>
      tunnels.bindAgent(tunnelId, agentId, nowMs, maxAgents),
    agentsOf: (tunnelId) => tunnels.agentsOf(tunnelId),
    consumeOnce: (kind, id, expiresAtMs) => once.consumeOnce(kind, id, expiresAtMs),
    revoke: (revocation) => revocations.revoke(revocation),
    isRevoked: (query) => revocations.isRevoked(query),
    revocations: (limit, after) => revocations.revocations(limit, after),
    noteFamily: (family) => families.noteFamily(family),
    knowsFamily: (target) => families.knowsFamily(target),
    claimRoutes: (claim) => routes.claimRoutes(claim),
    putChallenge: (challenge: ChallengeRecord, maxPerSubject) => once.putChallenge(challenge, maxPerSubject),
    takeChallenge: (challengeId) => once.takeChallenge(challengeId),
    putEnrollmentToken: (token) => machines.putEnrollmentToken(token),
    enrollmentToken: (tokenId) => machines.enrollmentToken(tokenId),
    enrollMachine: (enrollment: MachineEnrollment) => machines.enrollMachine(enrollment),
    putOpenEnrollment: (enrollment, maxPerToken) =>
      openEnrollments.putOpenEnrollment(enrollment, maxPerToken),
    takeOpenEnrollment: (enrollmentId) => openEnrollments.takeOpenEnrollment(enrollmentId),
    machine: (agentId) => machines.machine(agentId),
    machines: (limit, afterAgentId) => machines.machines(limit, afterAgentId),
    countMachines: () => machines.countMachines(),
    revokeMachine: (key, revocation) => machines.revokeMachine(key, revocation),
    restoreMachine: (key) => machines.restoreMachine(key),
    deleteMachine: (agentId) => machines.deleteMachine(agentId),
    isEkRevoked: (ekSha256) => machines.isEkRevoked(ekSha256),
    machineRevocations: () => machines.machineRevocations(),
    advanceContinuity: (agentId, value, revision) => machines.advanceContinuity(agentId, value, revision),
    openAttestation: (opening: AttestationOpening) => attestations.openAttestation(opening),
    attestation: (attestationId) => attestations.attestation(attestationId),
    newestAttestation: (tunnelId, agentId) => attestations.newestAttestation(tunnelId, agentId),
    holdAttestation: (hold) => attestations.holdAttestation(hold),
    stepAttestation: (attestationId, step) => attestations.stepAttestation(attestationId, step),
    lapseAttestations: (holder, code) => attestations.lapseAttestations(holder, code),
    attestations: (limit) => attestations.attestations(limit),
    deferAttestation: (deferral) => attestations.deferAttestation(deferral),
    deferralSpent: (tunnelId, agentId) => attestations.deferralSpent(tunnelId, agentId),
    forgetDeferrals: (beforeMs) => attestations.forgetDeferrals(beforeMs),
    endDeferral: (tunnelId, agentId) => attestations.endDeferral(tunnelId, agentId),
    loadAuthorities: () => identities.loadAuthorities(),
    saveAuthorities: (value, revision) => identities.saveAuthorities(value, revision),
    enrollNode: (tokenId, certificate, maxNodes) => identities.enrollNode(tokenId, certificate, maxNodes),
    renewNode: (certificate, provenKeySha256) => identities.renewNode(certificate, provenKeySha256),
    confirmNodeKey: (role, nodeId, keySha256) => identities.confirmNodeKey(role, nodeId, keySha256),
    nodeIdentity: (role, nodeId) => identities.nodeIdentity(role, nodeId),
    nodeIdentities: (query) => identities.nodeIdentities(query),
    nodeCertificate: (serial) => identities.nodeCertificate(serial),
    liveCertificates: (issuerSha256, nowMs) => identities.liveCertificates(issuerSha256, nowMs),
    forgetCertificates: (endedBeforeMs) => identities.forgetCertificates(endedBeforeMs),
    revokeIdentity: (revoked) => identities.revokeIdentity(revoked),
    revokedIdentities: () => identities.revokedIdentities(),
    policyRevision: () => policies.policyRevision(),
    policies: () => policies.policies(),
    policyVersions: (name) => policies.policyVersions(name),
    applyPolicy: (policy, revision, maxNames) => policies.applyPolicy(policy, revision, maxNames),
    seeNode: (node) => presences.seeNode(node),
    seeNodes: (nodes) => presences.seeNodes(nodes),
    nodePresence: (role, id) => presences.nodePresence(role, id),
    nodePresences: (role, limit, afterId) => presences.nodePresences(role, limit, afterId),
    countNodePresences: (role, sinceMs) => presences.countNodePresences(role, sinceMs),
    forgetNodePresence: (role, id) => presences.forgetNodePresence(role, id),
    nodeAccessRevision: () => nodeAccess.nodeAccessRevision(),
    nodeAccess: () => nodeAccess.nodeAccess(),
    allowNodes: (rule) => nodeAccess.allowNodes(rule),
    disallowNodes: (connector, tunneler) => nodeAccess.disallowNodes(connector, tunneler),
    announceEdge: (edge) => edges.announceEdge(edge),
    announceServed: (instanceId, tunnels) => edges.announceServed(instanceId, tunnels),
    withdrawEdge: (instanceId) => edges.withdrawEdge(instanceId),
    forgetEdges: (edgeId, seenBeforeMs) => edges.forgetEdges(edgeId, seenBeforeMs),
    edges: () => edges.edges(),
    servedBy: (tunnelId) => edges.servedBy(tunnelId),
    adminAccounts: () => accounts.adminAccounts(),
    adminAccount: (accountId) => accounts.adminAccount(accountId),
    adminAccountByName: (name) => accounts.adminAccountByName(name),
    adminAccountBySubject: (subject) => accounts.adminAccountBySubject(subject),
    addAdminAccount: (account) => accounts.addAdminAccount(account),
    changeAdminAccount: (accountId, change) => accounts.changeAdminAccount(accountId, change),
    deleteAdminAccount: (accountId) => accounts.deleteAdminAccount(accountId),
    putAdminInvite: (invite) => accounts.putAdminInvite(invite),
    adminTotp: (accountId) => accounts.adminTotp(accountId),
    proposeAdminTotp: (accountId, secret, atMs) => accounts.proposeAdminTotp(accountId, secret, atMs),
    spendAdminTotp: (accountId, step) => accounts.spendAdminTotp(accountId, step),
    removeAdminTotp: (accountId) => accounts.removeAdminTotp(accountId),
    adminTotpAccounts: () => accounts.adminTotpAccounts(),
    adminInvite: (secretSha256, nowMs) => accounts.adminInvite(secretSha256, nowMs),
    acceptAdminInvite: (secretSha256, nowMs, account) =>
      accounts.acceptAdminInvite(secretSha256, nowMs, account),
    openAdminSession: (session: AdminSession, maxPerAccount) =>
      sessions.openAdminSession(session, maxPerAccount),
    adminSession: (sessionId) => sessions.adminSession(sessionId),
    adminSessionBySecret: (secretSha256) => sessions.adminSessionBySecret(secretSha256),
    adminSessionsOf: (accountId) => sessions.adminSessionsOf(accountId),
    useAdminSession: (sessionId, nowMs) => sessions.useAdminSession(sessionId, nowMs),
    rotateAdminSession: (secretSha256, nextSha256, nowMs) =>
      sessions.rotateAdminSession(secretSha256, nextSha256, nowMs),
    closeAdminSession: (sessionId) => sessions.closeAdminSession(sessionId),
    closeAdminSessions: (accountId, exceptId) => sessions.closeAdminSessions(accountId, exceptId),
    putDelivery: (delivery) => sessions.putDelivery(delivery),
    takeDelivery: (secretSha256, nowMs) => sessions.takeDelivery(secretSha256, nowMs),
    putPendingPair: (pair, maxPerOwner, maxPerTunnel) =>
      pairs.putPendingPair(pair, maxPerOwner, maxPerTunnel),
    pendingPair: (secretSha256) => pairs.pendingPair(secretSha256),
    replacePendingTokens: (secretSha256, reissues, tokens) =>
      pairs.replacePendingTokens(secretSha256, reissues, tokens),
    dropPendingPair: (secretSha256) => pairs.dropPendingPair(secretSha256),
    announce: (announcement) => announcements.announce(announcement),
    listen: (onAnnounced, onGap) => announcements.listen(onAnnounced, onGap),
    loadKeyset: () => records.loadKeyset(),
    saveKeyset: (value, revision) => records.saveKeyset(value, revision),
    setting: (key) => records.setting(key),
    putSetting: (key, value) => records.putSetting(key, value),
    appendAudit: (entry: AuditEntry) => audit.appendAudit(entry),
    auditEntries: (limit, beforeId) => audit.auditEntries(limit, beforeId),
    auditLines: (limit, afterId) => audit.auditLines(limit, afterId),
    auditHead: () => audit.auditHead(),
    probe: () => records.putSetting("store.probe", String((options.wall ?? Date.now)())),
    close: () => database.close(),
  };
}
