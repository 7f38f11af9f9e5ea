/**
 * What control and edge remember: behind one port, so that a single process keeps it in SQLite and several share a
 * database. Times are wall-clock Unix milliseconds. Every method is atomic. All throw `store_busy` (try again) or
 * `store_failed`.
 */

import type { AdminStore } from "./admin_store.ts";
import type { AttestationStore } from "./attestation_store.ts";
import type { EdgeStore } from "./edge_store.ts";
import type { NodePresenceStore } from "./node_presence_store.ts";
import type { IdentityStore } from "./identity_store.ts";

/** A published name with its owner. */
export interface TunnelRecord {
  readonly tunnelId: string;
  /** First label of the public hostname, or `*.` and a label; unique. */
  readonly name: string;
  readonly owner: string;
  /** Nobody's account: its owner is whoever holds the recreate token. */
  readonly anonymous: boolean;
  readonly protocol: "http" | "tcp" | "tls" | "udp";
  /** Public port of a tcp or udp tunnel; unique among those of the same protocol. */
  readonly publicPort?: number;
  readonly createdAtMs: number;
  /** An anonymous name is kept for its holder until then. */
  readonly heldUntilMs: number;
  /** JSON of the rules that edges hold for the service; absent while nobody has set any. Holds password hashes. */
  readonly rules?: Revised<string>;
  /** Only agents of this tier may serve it; absent: any agent. */
  readonly requireTier?: "tpm";
}

/** A tunnel to be made, with the limits that are checked in the same step. */
export interface TunnelClaim extends Omit<TunnelRecord, "publicPort" | "rules"> {
  /** JSON of the first rules; they get revision 1. */
  readonly rules?: string;
  /** Another name that nobody but this owner may hold, looked at in the same step. */
  readonly pairedName?: string;
  /** Where an anonymous request came from: opaque, counted only. */
  readonly from?: { readonly address: string; readonly maxTunnels: number };
  /** Most tunnels of this owner; of all anonymous owners together when the tunnel is anonymous. */
  readonly maxTunnels: number;
  /** Where to take the public port from; absent for protocols without one. Both ends included. */
  readonly ports?: { readonly first: number; readonly last: number };
}

export type TunnelClaimed =
  | { readonly outcome: "created"; readonly tunnel: TunnelRecord }
  /** The holder of the name, or of its pair; for a name of another issuer's subject, a tunnel that stands for it. */
  | { readonly outcome: "name_taken"; readonly holder: TunnelRecord }
  | { readonly outcome: "too_many" }
  | { readonly outcome: "no_port" };

export interface TunnelStore {
  /** Makes the tunnel when its name is free, the owner is within its limit, and a port is left. */
  claimTunnel(claim: TunnelClaim): Promise<TunnelClaimed>;
  tunnel(tunnelId: string): Promise<TunnelRecord | undefined>;
  tunnelByName(name: string): Promise<TunnelRecord | undefined>;
  /** All tunnels of an owner, oldest first. */
  tunnelsOf(owner: string): Promise<TunnelRecord[]>;
  /** Everybody's, in the order of their ids, after `afterTunnelId` when given. */
  tunnels(limit: number, afterTunnelId?: string): Promise<TunnelRecord[]>;
  countTunnels(): Promise<number>;
  /**
   * Gives an anonymous tunnel to an account that has less than `maxTunnels`; it counts for its address no more.
   * `not_anonymous`: there is none, or it has an account already.
   */
  adoptTunnel(
    tunnelId: string,
    owner: string,
    maxTunnels: number,
  ): Promise<"adopted" | "too_many" | "not_anonymous">;
  /** Moves `heldUntilMs` later, never earlier. False when there is no such tunnel. */
  holdTunnel(tunnelId: string, heldUntilMs: number): Promise<boolean>;
  /**
   * Sets the rules and makes their revision one higher, unless they are the same as before. Returns what is held then;
   * undefined when there is no such tunnel.
   */
  setTunnelRules(tunnelId: string, value: string): Promise<Revised<string> | undefined>;
  /** Null: any agent may serve it. False when there is no such tunnel. */
  setTunnelTier(tunnelId: string, requireTier: "tpm" | null): Promise<boolean>;
  /**
   * Frees name, port and agent bindings. With `heldBeforeMs` only when the tunnel is anonymous and its hold ended
   * before then. False when nothing was deleted.
   */
  deleteTunnel(tunnelId: string, heldBeforeMs?: number): Promise<boolean>;
  /** Anonymous tunnels whose hold ended before then, oldest hold first. */
  abandonedTunnels(heldBeforeMs: number, limit: number): Promise<TunnelRecord[]>;
}

/** One agent that has proved itself for a tunnel. */
export interface AgentBinding {
  readonly agentId: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface AgentStore {
  /** Records that the agent proved itself. `too_many`: it is new and the tunnel has `maxAgents` already. */
  bindAgent(
    tunnelId: string,
    agentId: string,
    nowMs: number,
    maxAgents: number,
  ): Promise<"first" | "new" | "known" | "too_many">;
  /** Oldest first. */
  agentsOf(tunnelId: string): Promise<AgentBinding[]>;
}

export interface SingleUseStore {
  /**
   * Spends an id: true for exactly one caller, over all processes. Remembered until `expiresAtMs` plus clock skew;
   * ids of expired tokens must be refused by their expiry before. Throws `replay_cache_full` rather than forget.
   */
  consumeOnce(kind: string, id: string, expiresAtMs: number): Promise<boolean>;
}

/** What is not to be believed any more. */
export interface Revocation {
  /** One management token, all of its family, or everything that its owner was given before `revokedAtMs`. */
  readonly kind: "token" | "family" | "owner";
  /** `jti`, family id, or owner. */
  readonly id: string;
  /** Who it counts against. */
  readonly owner: string;
  readonly revokedAtMs: number;
  /** When nothing that it concerns can be valid any more. */
  readonly forgetAtMs: number;
}

/** What is asked of a token. Absent parts are not looked at. */
export interface RevocationQuery {
  readonly jti?: string;
  readonly family?: string;
  readonly owner: string;
  /** When what the token rests on was given out. */
  readonly startedAtMs: number;
}

export interface RevocationStore {
  /**
   * Remembers until `forgetAtMs`; the same again moves both times later. Throws `revocations_full` rather than forget: then
   * nothing was revoked.
   */
  revoke(revocation: Revocation): Promise<void>;
  isRevoked(query: RevocationQuery): Promise<boolean>;
  /** What is remembered, in the order of kind and id, after `after` when given. */
  revocations(limit: number, after?: Pick<Revocation, "kind" | "id">): Promise<Revocation[]>;
}

/** A family of management tokens that was given out. */
export interface TokenFamily {
  readonly family: string;
  readonly owner: string;
  /** When no token of it can be valid any more. */
  readonly endsAtMs: number;
}

/** What was given out, to tell a typing error from what has nothing. */
export interface TokenFamilyStore {
  /** Remembers until `endsAtMs`; when there are too many, those that end first are forgotten. */
  noteFamily(family: TokenFamily): Promise<void>;
  /** Whether one of the family, or of the owner, is remembered. */
  knowsFamily(target: { readonly family: string } | { readonly owner: string }): Promise<boolean>;
}

/** Routes that tokens of another issuer name, for the subject that they are for. */
export interface RouteClaim {
  readonly subject: string;
  /** As `TunnelRecord.name`. */
  readonly names: readonly string[];
  /** Other names that nobody but the subject may hold. */
  readonly pairedNames: readonly string[];
  readonly tcpPorts: readonly number[];
  readonly udpPorts: readonly number[];
  readonly nowMs: number;
  /** Routes that were last claimed before then are nobody's any more. */
  readonly forgetBeforeMs: number;
}

export interface RouteStore {
  /**
   * Binds all routes to the subject, or none, and then returns one that is a tunnel's or another subject's: a name, or
   * `tcp` or `udp` and a port. From then on no tunnel gets one of them. Throws `token_routes_full` rather than forget.
   */
  claimRoutes(claim: RouteClaim): Promise<string | undefined>;
}

/** A question that was asked and may be answered once. */
export interface ChallengeRecord {
  readonly challengeId: string;
  readonly expiresAtMs: number;
  /** Who was asked: opaque, counted only. */
  readonly subject: string;
  /** Who answers for all that is asked of its subjects: opaque, counted only. */
  readonly owner: string;
  /** JSON of whoever asked. */
  readonly body: string;
}

export interface ChallengeStore {
  /** Throws `challenge_limit_reached` when too many of one subject or owner are open, `challenges_full` when too many are at all. */
  putChallenge(challenge: ChallengeRecord, maxPerSubject: number): Promise<void>;
  /** Returns and removes it: undefined from the second call on, also for other processes. */
  takeChallenge(challengeId: string): Promise<ChallengeRecord | undefined>;
}

/** A stored value with the revision that the next writer must name. */
export interface Revised<T> {
  readonly revision: number;
  readonly value: T;
}

/**
 * A machine that is known by its TPM: one endorsement key (EK), one attestation key (AK), one agent id. Everything here
 * is public; what proves the machine never leaves its TPM.
 */
export interface MachineRecord {
  /** Derived from the EK's SubjectPublicKeyInfo. */
  readonly agentId: string;
  /** SHA-256 of the EK's DER SubjectPublicKeyInfo: 64 lower-case hex digits. */
  readonly ekSha256: string;
  /** DER. */
  readonly ekCertificate: Uint8Array;
  /** DER, from the issuer of the EK certificate upwards, without the root: for judging revocation again. */
  readonly ekIntermediates: readonly Uint8Array[];
  /** TPMT_PUBLIC. */
  readonly akPublic: Uint8Array;
  /** nameAlg and digest (TPM 2.0 Library, Part 1, 16). */
  readonly akName: Uint8Array;
  /** Sorted, each once: they choose the policy. */
  readonly labels: readonly string[];
  readonly state: "active" | "revoked";
  /** Of the first enrolment. */
  readonly enrolledAtMs: number;
  readonly revoked?: MachineRevocation;
  /** JSON of what the last accepted quote told about resets and clock; absent before the first. */
  readonly continuity?: Revised<string>;
}

export interface MachineRevocation {
  readonly atMs: number;
  /** The operator's words. */
  readonly reason: string;
}

/** A machine that has proved EK and AK, and the token that lets it in. */
export interface MachineEnrolment extends Omit<MachineRecord, "labels" | "state" | "revoked" | "continuity"> {
  readonly tokenId: string;
  /** Most machines that are kept. */
  readonly maxMachines: number;
}

export type MachineEnrolled =
  /** `renewed`: the same EK and AK were enrolled before; its labels are those of the token, if that names any. */
  | { readonly outcome: "enrolled" | "renewed"; readonly machine: MachineRecord }
  /** The token is not there, is over, was used by another machine, or is for another EK. */
  | { readonly outcome: "token_refused" }
  | { readonly outcome: "revoked" }
  /** The EK is enrolled with another AK, or the agent id with another EK. */
  | { readonly outcome: "other_key" }
  | { readonly outcome: "too_many" };

/** Which machine is meant. */
export type MachineKey = { readonly agentId: string } | { readonly ekSha256: string };

/** Lets one machine enrol. Only the hash of its secret is kept. */
export interface EnrolmentToken {
  /** Public: what the audit names. */
  readonly tokenId: string;
  /** SHA-256 of the secret: 64 lower-case hex digits. */
  readonly secretSha256: string;
  /** What the machine will be labelled with; absent: an enrolled machine keeps its labels, a new one gets none. */
  readonly labels?: readonly string[];
  /** The only EK that may use it. */
  readonly ekSha256?: string;
  /** Absent: it lets a machine in by its TPM. Present: it lets this node in, by a key of its own. */
  readonly node?: { readonly role: string; readonly id: string };
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** The machine that used it, or `key:` and the SHA-256 of the key of the node that did. */
  readonly usedBy?: string;
}

/** An enrolment that has begun: it can be finished once, until it is over. */
export interface OpenEnrolment {
  readonly enrolmentId: string;
  readonly tokenId: string;
  readonly expiresAtMs: number;
  /** JSON of what was judged at its beginning. No secret is in it. */
  readonly body: string;
}

export interface MachineStore {
  /** Keeps a fresh token. Throws `enrollment_tokens_full` rather than forget one that can still be used. */
  putEnrolmentToken(token: Omit<EnrolmentToken, "usedBy">): Promise<void>;
  /** Also one that is used or over, until it is forgotten. */
  enrolmentToken(tokenId: string): Promise<EnrolmentToken | undefined>;
  /**
   * Throws `enrollment_limit_reached` when `maxPerToken` of one token are open, `enrollments_full` when too many are at all.
   */
  putOpenEnrolment(enrolment: OpenEnrolment, maxPerToken: number): Promise<void>;
  /** Returns and removes it: undefined from the second call on, also for other processes. */
  takeOpenEnrolment(enrolmentId: string): Promise<OpenEnrolment | undefined>;
  /**
   * Spends the token and writes the machine: both or neither. Exactly one machine gets in by a token; the one that did may
   * come again with it until the token is over, which changes nothing (its first answer may have been lost).
   */
  enrollMachine(enrolment: MachineEnrolment): Promise<MachineEnrolled>;
  machine(agentId: string): Promise<MachineRecord | undefined>;
  /** In the order of their agent ids, after `afterAgentId` when given. */
  machines(limit: number, afterAgentId?: string): Promise<MachineRecord[]>;
  countMachines(): Promise<{ readonly active: number; readonly revoked: number }>;
  /**
   * Refuses the EK from now on, also one that was never enrolled; the first revocation is the one that is remembered.
   * `unknown`: no machine has this agent id. Throws `machine_limit_reached` rather than forget one.
   */
  revokeMachine(
    key: MachineKey,
    revocation: MachineRevocation,
  ): Promise<"revoked" | "already" | "unknown">;
  /**
   * Ends a revocation, and forgets the machine's continuity: the operator trusts it as it is now. `unknown`: there is no
   * such machine, or none of that EK; `active`: it is not revoked.
   */
  restoreMachine(key: MachineKey): Promise<"restored" | "active" | "unknown">;
  /** Forgets a revoked machine, so that it counts no more; its EK stays revoked. */
  deleteMachine(agentId: string): Promise<"deleted" | "active" | "unknown">;
  isEkRevoked(ekSha256: string): Promise<boolean>;
  /** Grows with every revocation, whichever process makes it: who finds it grown asks about the machines that it serves. */
  machineRevocations(): Promise<number>;
  /**
   * Writes when nobody wrote since `revision` (0: there was none) and the machine is active; false otherwise: load the
   * machine again.
   */
  advanceContinuity(agentId: string, value: string, revision: number): Promise<boolean>;
}

/** One version of a PCR policy. */
export interface PolicyRecord {
  readonly name: string;
  readonly version: number;
  /** JSON of the policy. */
  readonly body: string;
  readonly appliedBy: string;
  readonly appliedAtMs: number;
  /** The version before is accepted until then. */
  readonly overlapUntilMs: number;
}

export interface PolicyStore {
  /** Grows with each version that is applied; 0 before the first. Cheap. */
  policyRevision(): Promise<number>;
  /** The newest version of each name and the one before it: by name, newest first. */
  policies(): Promise<Revised<PolicyRecord[]>>;
  /** Versions of one name that are kept, newest first. */
  policyVersions(name: string): Promise<PolicyRecord[]>;
  /**
   * Adds a version when it is the next one of its name and nothing was applied since `revision`. `outdated`: look again;
   * `too_many`: there are `maxNames` names already.
   */
  applyPolicy(
    policy: PolicyRecord,
    revision: number,
    maxNames: number,
  ): Promise<"applied" | "outdated" | "too_many">;
}

/** What every process that shares a store acts on at once; it was written to the store before. */
export type Announcement =
  | {
    readonly kind: "tunnels_cut";
    readonly tunnelIds: readonly string[];
    readonly code: "tunnel_deleted" | "token_revoked";
  }
  | { readonly kind: "tokens_revoked"; readonly owner?: string }
  | { readonly kind: "rules_changed"; readonly tunnelId: string }
  | { readonly kind: "machine_revoked"; readonly agentId: string }
  /** The agent's machine failed to prove itself again: all that it has for the tunnel is over. */
  | { readonly kind: "attestation_failed"; readonly tunnelId: string; readonly agentId: string }
  /** Trust bundle or revocation list of nodes is another one: open connections are checked again. */
  | { readonly kind: "node_trust_changed" }
  /** The tunnel demands agents with a TPM. */
  | { readonly kind: "tier_required"; readonly tunnelId: string };

export interface AnnouncementStore {
  /** Tells the other processes; who announces something acts on it by itself. */
  announce(announcement: Announcement): Promise<void>;
  /**
   * Calls back with what others announce, and with `onGap` whenever something may have been missed: also at once where this
   * store cannot tell. What it returns ends it.
   */
  listen(onAnnounced: (announcement: Announcement) => void, onGap: () => void): Promise<() => Promise<void>>;
}

export interface KeysetStore {
  /** JSON of the signing keys. Secret. */
  loadKeyset(): Promise<Revised<string> | undefined>;
  /** Writes when nobody wrote since `revision` (0: there was none); false otherwise: load again. */
  saveKeyset(value: string, revision: number): Promise<boolean>;
}

export interface SettingStore {
  setting(key: string): Promise<string | undefined>;
  putSetting(key: string, value: string): Promise<void>;
}

/** One line of the audit log: ids, names and codes, never tokens or keys. */
export interface AuditEntry {
  readonly atMs: number;
  /** Who: an owner, `anonymous`, `control`. */
  readonly actor: string;
  /** What, e.g. `tunnel.create`. */
  readonly action: string;
  /** On what: a tunnel id, an agent id. */
  readonly subject: string;
  /** `ok` or an error code. */
  readonly outcome: string;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** A line in its place in the chain. Hashes are 64 lower-case hex digits. */
export interface AuditLine extends AuditEntry {
  /** Ids have no gaps. */
  readonly id: number;
  /** Hash of the line before it. */
  readonly previous: string;
  readonly hash: string;
}

/** Which line stood where: who notes one can tell later whether anything up to it was changed. */
export interface AuditCheckpoint {
  readonly id: number;
  readonly hash: string;
}

export interface AuditStore {
  appendAudit(entry: AuditEntry): Promise<void>;
  /** Newest first, older than `beforeId` when given. */
  auditEntries(limit: number, beforeId?: number): Promise<(AuditEntry & { readonly id: number })[]>;
  /** Oldest first, after `afterId`: lines of the chain. */
  auditLines(limit: number, afterId: number): Promise<AuditLine[]>;
  /** The newest line, as it was noted when it was written; undefined before the first. */
  auditHead(): Promise<AuditCheckpoint | undefined>;
}

export interface Store
  extends
    TunnelStore,
    AgentStore,
    SingleUseStore,
    RevocationStore,
    TokenFamilyStore,
    RouteStore,
    ChallengeStore,
    MachineStore,
    PolicyStore,
    AttestationStore,
    IdentityStore,
    KeysetStore,
    SettingStore,
    AuditStore,
    NodePresenceStore,
    EdgeStore,
    AdminStore,
    AnnouncementStore {
  /** Writes a little, durably; throws when the store cannot, e.g. because the disk is full. For readiness. */
  probe(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}
