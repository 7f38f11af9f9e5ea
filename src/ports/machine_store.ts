/** What is remembered of machines with a TPM, and of the tokens that let them and nodes in. */
import type { Revised } from "./revised.ts";

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
  /** Of the first enrollment. */
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
export interface MachineEnrollment
  extends Omit<MachineRecord, "labels" | "state" | "revoked" | "continuity"> {
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

/** Lets one machine enroll. Only the hash of its secret is kept. */
export interface EnrollmentToken {
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

/** An enrollment that has begun: it can be finished once, until it is over. */
export interface OpenEnrollment {
  readonly enrollmentId: string;
  readonly tokenId: string;
  readonly expiresAtMs: number;
  /** JSON of what was judged at its beginning. No secret is in it. */
  readonly body: string;
}

export interface MachineStore {
  /** Keeps a fresh token. Throws `enrollment_tokens_full` rather than forget one that can still be used. */
  putEnrollmentToken(token: Omit<EnrollmentToken, "usedBy">): Promise<void>;
  /** Also one that is used or over, until it is forgotten. */
  enrollmentToken(tokenId: string): Promise<EnrollmentToken | undefined>;
  /**
   * Throws `enrollment_limit_reached` when `maxPerToken` of one token are open, `enrollments_full` when too many are at all.
   */
  putOpenEnrollment(enrollment: OpenEnrollment, maxPerToken: number): Promise<void>;
  /** Returns and removes it: undefined from the second call on, also for other processes. */
  takeOpenEnrollment(enrollmentId: string): Promise<OpenEnrollment | undefined>;
  /**
   * Spends the token and writes the machine: both or neither. Exactly one machine gets in by a token; the one that did may
   * come again with it until the token is over, which changes nothing (its first answer may have been lost).
   */
  enrollMachine(enrollment: MachineEnrollment): Promise<MachineEnrolled>;
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
