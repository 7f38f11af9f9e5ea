/** How processes that share a store tell each other what was written to it. */

/** What every process that shares a store acts on at once; what concerns the store was written to it before. */
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
  /** The agent's machine gave no new proof on one of its channels: its private channels are over. */
  | { readonly kind: "attestation_lapsed"; readonly tunnelId: string; readonly agentId: string }
  /** Trust bundle or revocation list of nodes is another one: open connections are checked again. */
  | { readonly kind: "node_trust_changed" }
  /** The tunnel demands agents with a TPM. */
  | { readonly kind: "tier_required"; readonly tunnelId: string }
  /** A process asks the others, or one edge, what it has now. */
  | {
    readonly kind: "asked";
    readonly questionId: string;
    readonly from: string;
    readonly to?: string;
    readonly question: unknown;
  }
  /** What a process answers to the one that asked: rows of JSON, in as many parts as they need. */
  | {
    readonly kind: "answered";
    readonly questionId: string;
    readonly to: string;
    readonly from: string;
    readonly part: number;
    readonly parts: number;
    readonly rows: readonly unknown[];
  }
  /** The grant of a private channel, for an agent of another edge: sealed to that edge's key. */
  | {
    readonly kind: "private_offer";
    /** Process of the edge that has the agent, and of the one that waits for its answer. */
    readonly to: string;
    readonly from: string;
    readonly offerId: string;
    /** base64url. */
    readonly sealed: string;
  }
  /** What became of it: an agent and the static key of its endpoint, or an error code. */
  | {
    readonly kind: "private_answer";
    readonly to: string;
    readonly offerId: string;
    readonly agentId?: string;
    readonly staticKey?: string;
    readonly code?: string;
  };

export interface AnnouncementStore {
  /** Tells the other processes; who announces something acts on it by itself. */
  announce(announcement: Announcement): Promise<void>;
  /**
   * Calls back with what others announce, and with `onGap` whenever something may have been missed: also at once where this
   * store cannot tell. What it returns ends it.
   */
  listen(onAnnounced: (announcement: Announcement) => void, onGap: () => void): Promise<() => Promise<void>>;
}
