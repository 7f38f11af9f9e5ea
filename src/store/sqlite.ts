// deno-lint-ignore-file require-await -- the port is asynchronous: what throws here must reject there
/** The store in one SQLite file: WAL, every commit on disk before it is answered. */
import type { AuditEntry, ChallengeRecord, MachineEnrolment, Store, TunnelClaim } from "../ports/mod.ts";
import { SqliteAudit } from "./audit.ts";
import { Database } from "./database.ts";
import { SqliteMachines } from "./machines.ts";
import { migrate } from "./migrations.ts";
import { SqliteOnce } from "./once.ts";
import { SqlitePolicies } from "./policies.ts";
import { SqliteOpenEnrolments } from "./open_enrolments.ts";
import { SqliteRecords } from "./records.ts";
import { SqliteRevocations } from "./revocations.ts";
import { SqliteTunnels } from "./tunnels.ts";

/** Numbers of the store; each has a default. */
export interface SqliteOptions {
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
  /** Enrolment tokens that can still be used before new ones are refused. */
  readonly maxEnrolmentTokens?: number;
  /** Enrolments that have begun and not ended before new ones are refused. */
  readonly maxOpenEnrolments?: number;
  /** Revoked endorsement keys before no other can be. */
  readonly maxRevokedEks?: number;
  /** Versions of one policy that are kept, two at least; the oldest go first. */
  readonly maxPolicyVersions?: number;
  /** Audit lines that are kept; the oldest go first. */
  readonly maxAuditEntries?: number;
  /** How long another writer is waited for (ms). The wait blocks this process. */
  readonly busyTimeoutMs?: number;
}

const defaultMaxRemembered = 48_000;
const defaultMaxRevocations = 48_000;
const defaultMaxRevokedTokensPerOwner = 1_000;
const defaultMaxChallenges = 4_096;
const defaultMaxEnrolmentTokens = 10_000;
const defaultMaxOpenEnrolments = 512;
const defaultMaxRevokedEks = 100_000;
const defaultMaxPolicyVersions = 64;
const defaultMaxAuditEntries = 100_000;
const defaultClockSkewMs = 30_000;
const defaultBusyTimeoutMs = 2_000;

/**
 * Opens, and makes when it is missing, the store in a file that only this user may read, or one in memory for
 * `:memory:`. Several processes may open one file. Throws `store_unavailable`, `store_too_new`, `store_busy`.
 */
export function openSqliteStore(path: string, options: SqliteOptions = {}): Store {
  const database = new Database(path, options.busyTimeoutMs ?? defaultBusyTimeoutMs);
  try {
    migrate(database);
  } catch (error) {
    database.close();
    throw error;
  }
  const tunnels = new SqliteTunnels(database);
  const time = {
    wall: options.wall ?? Date.now,
    clockSkewMs: options.clockSkewMs ?? defaultClockSkewMs,
  };
  const revocations = new SqliteRevocations(database, {
    ...time,
    maxRevocations: options.maxRevocations ?? defaultMaxRevocations,
    maxRevokedTokensPerOwner: options.maxRevokedTokensPerOwner ?? defaultMaxRevokedTokensPerOwner,
  });
  const once = new SqliteOnce(database, {
    ...time,
    maxRemembered: options.maxRemembered ?? defaultMaxRemembered,
    maxChallenges: options.maxChallenges ?? defaultMaxChallenges,
  });
  const machines = new SqliteMachines(database, {
    ...time,
    maxEnrolmentTokens: options.maxEnrolmentTokens ?? defaultMaxEnrolmentTokens,
    maxRevokedEks: options.maxRevokedEks ?? defaultMaxRevokedEks,
  });
  const policies = new SqlitePolicies(database, options.maxPolicyVersions ?? defaultMaxPolicyVersions);
  const openEnrolments = new SqliteOpenEnrolments(database, {
    ...time,
    maxOpenEnrolments: options.maxOpenEnrolments ?? defaultMaxOpenEnrolments,
  });
  const records = new SqliteRecords(database);
  const audit = new SqliteAudit(database, options.maxAuditEntries ?? defaultMaxAuditEntries);
  return {
    claimTunnel: (claim: TunnelClaim) => tunnels.claimTunnel(claim),
    tunnel: (tunnelId) => tunnels.tunnel(tunnelId),
    tunnelByName: (name) => tunnels.tunnelByName(name),
    tunnelsOf: (owner) => tunnels.tunnelsOf(owner),
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
    putChallenge: (challenge: ChallengeRecord, maxPerSubject) => once.putChallenge(challenge, maxPerSubject),
    takeChallenge: (challengeId) => once.takeChallenge(challengeId),
    putEnrolmentToken: (token) => machines.putEnrolmentToken(token),
    enrolmentToken: (tokenId) => machines.enrolmentToken(tokenId),
    putOpenEnrolment: (enrolment, maxPerToken) => openEnrolments.putOpenEnrolment(enrolment, maxPerToken),
    takeOpenEnrolment: (enrolmentId) => openEnrolments.takeOpenEnrolment(enrolmentId),
    enrollMachine: (enrolment: MachineEnrolment) => machines.enrollMachine(enrolment),
    machine: (agentId) => machines.machine(agentId),
    machines: (limit, afterAgentId) => machines.machines(limit, afterAgentId),
    revokeMachine: (key, revocation) => machines.revokeMachine(key, revocation),
    restoreMachine: (key) => machines.restoreMachine(key),
    isEkRevoked: (ekSha256) => machines.isEkRevoked(ekSha256),
    advanceContinuity: (agentId, value, revision) => machines.advanceContinuity(agentId, value, revision),
    policyRevision: () => policies.policyRevision(),
    policies: () => policies.policies(),
    policyVersions: (name) => policies.policyVersions(name),
    applyPolicy: (policy, revision, maxNames) => policies.applyPolicy(policy, revision, maxNames),
    loadKeyset: () => records.loadKeyset(),
    saveKeyset: (value, revision) => records.saveKeyset(value, revision),
    setting: (key) => records.setting(key),
    putSetting: (key, value) => records.putSetting(key, value),
    appendAudit: (entry: AuditEntry) => audit.appendAudit(entry),
    auditEntries: (limit, beforeId) => audit.auditEntries(limit, beforeId),
    auditLines: (limit, afterId) => audit.auditLines(limit, afterId),
    auditHead: () => audit.auditHead(),
    probe: () => records.putSetting("store.probe", String((options.wall ?? Date.now)())),
    close: async () => database.close(),
  };
}
