/** What is remembered of attestation: by whom which channel was opened, whether that still stands, and what was put off. */

/**
 * ```
 *   passed <--> asked          a proof stands; a new one is waited for
 *      \          |
 *       +---------+---> failed | lapsed | ended      refused; not given in time, or nobody knows; over in order
 * ```
 * The last three are final: only a full handshake makes another attestation.
 */
export type AttestationState = "passed" | "asked" | "failed" | "lapsed" | "ended";

/** What an agent proved when it opened a channel, and since. */
export interface AttestationRecord {
  readonly attestationId: string;
  readonly tunnelId: string;
  readonly agentId: string;
  readonly openedAtMs: number;
  /** When evidence was judged last and held. */
  readonly attestedAtMs: number;
  readonly state: AttestationState;
  /** Why it failed or lapsed, or why the channel was cut. */
  readonly code?: string;
  /** How often the agent was asked again. */
  readonly attempts: number;
  /** By when the agent is to have proved itself again; absent: it is not asked. */
  readonly deadlineMs?: number;
  /** The edge that has the channel, and its session there. */
  readonly holder?: string;
  readonly sessionId?: string;
  /** When the record changed last. */
  readonly changedAtMs: number;
  /** Proofs are taken until then. */
  readonly liveUntilMs: number;
  /** JSON of who judged. */
  readonly body: string;
}

/** An attestation that begins: evidence for a new channel was judged and held. */
export type AttestationOpening = Pick<
  AttestationRecord,
  "attestationId" | "tunnelId" | "agentId" | "attestedAtMs" | "liveUntilMs" | "body"
>;

/** The edge has the channel. */
export interface AttestationHold {
  readonly attestationId: string;
  readonly tunnelId: string;
  readonly agentId: string;
  readonly attestedAtMs: number;
  readonly holder: string;
  readonly sessionId: string;
  readonly deadlineMs?: number;
  readonly liveUntilMs: number;
}

/** What became of an attestation that is not over. */
export type AttestationStep =
  | {
    readonly state: "passed";
    readonly attestedAtMs: number;
    readonly liveUntilMs: number;
    /** null: it is not asked any more; absent: as it was. */
    readonly deadlineMs?: number | null;
  }
  | { readonly state: "asked"; readonly deadlineMs: number }
  | { readonly state: "failed" | "lapsed"; readonly code: string }
  /** With a code when it was cut. */
  | { readonly state: "ended"; readonly code?: string };

/** A wish to ask an agent later than it is due, because whoever judges it is not well. */
export interface Deferral {
  readonly tunnelId: string;
  readonly agentId: string;
  readonly nowMs: number;
  readonly byMs: number;
  /** All that may ever be put off without a proof in between. */
  readonly capMs: number;
}

export interface AttestationStore {
  /** Remembers it as passed. Of one agent and tunnel only the newest few are kept. */
  openAttestation(opening: AttestationOpening): Promise<void>;
  attestation(attestationId: string): Promise<AttestationRecord | undefined>;
  /** The newest of this agent for the tunnel, one that is not over before those that are. */
  newestAttestation(tunnelId: string, agentId: string): Promise<AttestationRecord | undefined>;
  /**
   * False when it is over already, or another agent's or tunnel's. One that is not known, because another control judged it,
   * is remembered.
   */
  holdAttestation(hold: AttestationHold): Promise<boolean>;
  /**
   * False, and nothing changed, when it is over already or not known. One that fails takes all others of its agent for the
   * tunnel with it: it is the machine that failed.
   */
  stepAttestation(attestationId: string, step: AttestationStep): Promise<boolean>;
  /** Lapses all that this edge had: it has begun anew, without channels. How many. */
  lapseAttestations(holder: string, code: string): Promise<number>;
  /** Those that have a channel, or had one, the last change first. */
  attestations(limit: number): Promise<AttestationRecord[]>;
  /**
   * Grants the time, or what is left of the cap; 0 when nothing is. Time that overlaps what another channel of the agent for
   * the tunnel was granted counts once.
   */
  deferAttestation(deferral: Deferral): Promise<number>;
  /** Time that was put off so far. */
  deferralSpent(tunnelId: string, agentId: string): Promise<number>;
  /** The whole cap again: whoever judges is well, or a proof was given. */
  endDeferral(tunnelId: string, agentId: string): Promise<void>;
  /** Forgets what was granted until before then, to agents that never came back for it. How many. */
  forgetDeferrals(beforeMs: number): Promise<number>;
}
