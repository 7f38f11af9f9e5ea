/**
 * Edges that share a database: what one of them cuts, the others cut at once. Where an announcement may have been missed,
 * and once a minute, every session is held against the store again.
 */
import type { AttachGate, EdgePlane, TokenGate } from "./edge/mod.ts";
import type { EdgeQuestions } from "./edge_questions.ts";
import { codeOf, type ErrorCode } from "./errors/mod.ts";
import { reasonOf } from "./relay/mod.ts";
import type { Announcement, Clock, Log, Store } from "./ports/mod.ts";

/** How long until sessions are looked at again without a reason. */
const RECHECK_MS = 60_000;
/** Pauses between attempts to announce, or to listen, while the database is away. */
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

export type PrivateAnnouncement = Extract<
  Announcement,
  { readonly kind: "private_offer" | "private_answer" }
>;

export interface FellowEdgesOptions {
  readonly store: Pick<Store, "announce" | "listen" | "tunnel">;
  readonly edge: Pick<
    EdgePlane,
    | "sessions"
    | "attached"
    | "cutTunnel"
    | "cutAgent"
    | "cutChannel"
    | "cutFailed"
    | "cutRelayed"
    | "cutWeaker"
    | "holdRules"
  >;
  readonly gate: Pick<TokenGate, "checkTunnel">;
  readonly attaches: Pick<AttachGate, "check">;
  readonly questions: Pick<EdgeQuestions, "asked" | "answered">;
  readonly clock: Clock;
  readonly log: Log;
  /** Tokens of this owner were revoked elsewhere; undefined: some family. */
  readonly onTokensRevoked: (owner: string | undefined) => void;
  /** Something about a private channel. */
  readonly onPrivate: (announcement: PrivateAnnouncement) => void;
  /** Trust bundle or revocation list of nodes is another one. */
  readonly onNodeTrustChanged: () => void;
}

export class FellowEdges {
  readonly #options: FellowEdgesOptions;
  readonly #cancels = new Set<() => void>();
  #stopListening: () => Promise<void> = async () => {};
  #isStopped = false;
  #recheck: Promise<void> = Promise.resolve();
  #isRecheckDue = false;

  constructor(options: FellowEdgesOptions) {
    this.#options = options;
    void this.#listen(FIRST_RETRY_MS);
    this.#recheckLater();
  }

  /** Tells the others, again and again until the database has taken it. */
  announce(announcement: Announcement): void {
    void this.#announce(announcement, FIRST_RETRY_MS);
  }

  /** Holds the private channels of a tunnel, or all, against the store, and cuts those that may not be any more. */
  async checkAttached(tunnelId?: string): Promise<void> {
    const { edge, attaches, log } = this.#options;
    for (const claims of edge.attached) {
      if (this.#isStopped) return;
      if (tunnelId !== undefined && claims.tunnel_id !== tunnelId) continue;
      try {
        await attaches.check(claims);
      } catch (error) {
        if (reasonOf(error) === "revoked") {
          edge.cutChannel(claims.channel_id);
          continue;
        }
        log("warn", "private channels not checked", { code: codeOf(error) });
        if (tunnelId !== undefined) this.#recheckNow();
        return; // the database is away: the next run, or the end of the gap, asks again
      }
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
    await this.#stopListening();
    await this.#recheck;
  }

  async #announce(announcement: Announcement, retryMs: number): Promise<void> {
    const { store, log } = this.#options;
    try {
      await store.announce(announcement);
    } catch (error) {
      log("warn", "announcement kept", { kind: announcement.kind, code: codeOf(error) });
      this.#after(retryMs, () => void this.#announce(announcement, Math.min(2 * retryMs, MAX_RETRY_MS)));
    }
  }

  async #listen(retryMs: number): Promise<void> {
    const { store, log } = this.#options;
    try {
      const stop = await store.listen(
        (announcement) => void this.#act(announcement),
        () => this.#recheckNow(),
      );
      if (this.#isStopped) return await stop();
      this.#stopListening = stop;
    } catch (error) {
      log("warn", "announcements not heard", { code: codeOf(error) });
      this.#after(retryMs, () => void this.#listen(Math.min(2 * retryMs, MAX_RETRY_MS)));
    }
  }

  async #act(announcement: Announcement): Promise<void> {
    const { edge, store, log, questions, onTokensRevoked, onPrivate, onNodeTrustChanged } = this.#options;
    if (this.#isStopped) return;
    switch (announcement.kind) {
      case "asked":
        return questions.asked(announcement);
      case "answered":
        return questions.answered(announcement);
      case "tunnels_cut":
        for (const tunnelId of announcement.tunnelIds) edge.cutTunnel(tunnelId, announcement.code);
        return;
      case "tokens_revoked":
        return onTokensRevoked(announcement.owner);
      case "machine_revoked":
        return edge.cutAgent(announcement.agentId);
      case "attestation_failed":
        return edge.cutFailed(announcement.tunnelId, announcement.agentId);
      case "attestation_lapsed":
        return edge.cutRelayed(announcement.tunnelId, announcement.agentId);
      case "node_trust_changed":
        return onNodeTrustChanged();
      case "tier_required":
        return edge.cutWeaker(announcement.tunnelId);
      case "private_offer":
      case "private_answer":
        return onPrivate(announcement);
      case "rules_changed": {
        const { tunnelId } = announcement;
        void this.checkAttached(tunnelId);
        if (edge.sessions.ofTunnel(tunnelId).length === 0) return;
        try {
          const rules = (await store.tunnel(tunnelId))?.rules;
          if (rules !== undefined && !this.#isStopped) edge.holdRules(tunnelId, rules);
        } catch (error) {
          log("warn", "rules not read", { tunnel_id: tunnelId, code: codeOf(error) });
          this.#recheckNow();
        }
        return;
      }
      default:
        announcement satisfies never;
    }
  }

  #recheckLater(): void {
    this.#after(RECHECK_MS, () => {
      this.#recheckNow();
      this.#recheckLater();
    });
  }

  /** One run at a time; what asks meanwhile is answered by one more. */
  #recheckNow(): void {
    if (this.#isRecheckDue || this.#isStopped) return;
    this.#isRecheckDue = true;
    this.#recheck = this.#recheck.then(() => {
      this.#isRecheckDue = false;
      return this.#recheckAll();
    }).then(() => {
      return this.checkAttached();
    });
  }

  async #recheckAll(): Promise<void> {
    const { edge, gate, log } = this.#options;
    const checked = new Map<string, ErrorCode | undefined>();
    for (const { tunnelId, agentId, claims } of edge.sessions.all) {
      if (this.#isStopped) return;
      const key = `${tunnelId} ${agentId}`;
      if (checked.has(key)) continue;
      try {
        const rules = await gate.checkTunnel(tunnelId, claims.iat, claims);
        checked.set(key, undefined);
        if (rules !== undefined) edge.holdRules(tunnelId, rules);
      } catch (error) {
        const code = codeOf(error);
        checked.set(key, code);
        if (code === "tunnel_deleted" || code === "token_revoked") edge.cutTunnel(tunnelId, code);
        else if (code === "machine_revoked") edge.cutAgent(agentId);
        else if (code === "tier_too_weak") edge.cutWeaker(tunnelId);
        else {
          log("warn", "sessions not checked", { code });
          return; // the database is away: the next run, or the end of the gap, asks again
        }
      }
    }
  }

  #after(ms: number, call: () => void): void {
    if (this.#isStopped) return;
    const cancel = this.#options.clock.schedule(this.#options.clock.now() + ms, () => {
      this.#cancels.delete(cancel);
      call();
    });
    this.#cancels.add(cancel);
  }
}
