/** Who judges agents for the whole edge: tokens, limits, and which session stands for which agent. */
import { codeOf, PosternError } from "../errors/mod.ts";
import type { EdgeConfig } from "../config/mod.ts";
import type { Stage0Claims, Stage1Claims } from "../identity/mod.ts";
import type { Revised } from "../ports/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import type { AttestationDesk } from "./attestation_desk.ts";
import type { Sessions } from "./sessions.ts";

/** How tokens are judged; composed from identity and store. */
export interface TokenGate {
  /** Signature, audience, times. @throws PosternError `token_*` */
  verifyStage0(token: string): Promise<Stage0Claims>;
  verifyStage1(token: string): Promise<Stage1Claims>;
  /** Owner of the token's tunnel; undefined when it is anonymous or gone. */
  ownerOf(claims: Stage0Claims): Promise<string | undefined>;
  /** Spends the stage 0 token. @throws PosternError `token_replayed`, `replay_cache_full`, `tunnel_deleted`, `token_revoked` */
  spend(claims: Stage0Claims): Promise<void>;
  /**
   * The rules that the tunnel has now.
   * @param issuedAt of the stage 0 token, Unix seconds
   * @param agent who is about to serve it
   * @throws PosternError `tunnel_deleted`, `token_revoked`, `machine_revoked`, `tier_too_weak`
   */
  checkTunnel(
    tunnelId: string,
    issuedAt: number,
    agent: Pick<Stage1Claims, "agent_id" | "tier">,
  ): Promise<Revised<string> | undefined>;
}

/** An agent whose stage 0 token holds. It counts for its owner until it leaves. */
export interface AdmittedAgent {
  readonly claims: Stage0Claims;
  /** Its channel is over. Idempotent. */
  leave(): void;
}

export interface Registration {
  /** The session that the agent itself names as the one that this one replaces. */
  readonly replaces: string | undefined;
  /** Of the stage 0 token, Unix seconds. */
  readonly issuedAt: number;
}

export interface AgentRegistry {
  readonly attestations: AttestationDesk;
  /**
   * Judges a stage 0 token and spends it, when everything else allows it.
   * @param place whom an agent without an owner counts for
   * @throws PosternError `token_*`, `agent_limit`, `owner_agent_limit`, `tunnel_deleted`
   */
  admit(token: string, place: string): Promise<AdmittedAgent>;
  /** @throws PosternError `token_*` */
  verifyStage1(token: string): Promise<Stage1Claims>;
  /**
   * Takes in a proven session: its ports are open and older sessions of the agent are fenced when this resolves, with the
   * rules that its tunnel has. Whoever deletes the tunnel from then on finds the session.
   * @throws PosternError `replace_rate_limited`, `tcp_port_unavailable`, `udp_port_unavailable`, `channel_closed`, `tunnel_deleted`, `token_revoked`,
   * `machine_revoked`, `tier_too_weak`
   */
  register(session: AgentSession, registration: Registration): Promise<Revised<string> | undefined>;
  /** The first echo came back: viewers may be sent there. */
  online(session: AgentSession): void;
  /** The session takes no new streams; may be told more than once. */
  retired(session: AgentSession): void;
  /** Its channel is over, whether or not it was taken in. */
  gone(session: AgentSession): void;
}

export interface LocalRegistryOptions {
  readonly config: Pick<EdgeConfig, "limits" | "drainTimeoutMs">;
  readonly tokens: TokenGate;
  readonly attestations: AttestationDesk;
  readonly sessions: Sessions;
  readonly metrics: Pick<Metrics, "tokensRefused">;
  /**
   * Opens public ports; called before the agent is told that it is ready.
   * @throws PosternError `tcp_port_unavailable`, `udp_port_unavailable`
   */
  readonly openPorts: (session: AgentSession) => Promise<void> | void;
  readonly onRetired: (session: AgentSession) => void;
}

/** The registry itself, beside the sessions that it judges by. */
export class LocalRegistry implements AgentRegistry {
  readonly #options: LocalRegistryOptions;
  /** Channels by owner, from their stage 0 token on. */
  readonly #owners = new Map<string, number>();

  constructor(options: LocalRegistryOptions) {
    this.#options = options;
  }

  get attestations(): AttestationDesk {
    return this.#options.attestations;
  }

  /** Everything that does not spend the token comes first. */
  async admit(token: string, place: string): Promise<AdmittedAgent> {
    const { tokens, sessions, config } = this.#options;
    const claims = await tokens.verifyStage0(token).catch((error) => this.#refusedToken("stage0", error));
    if (sessions.size >= config.limits.maxAgents) throw new PosternError("agent_limit");
    const owner = await tokens.ownerOf(claims);
    const leave = this.#countOwner(owner === undefined ? place : `owner ${owner}`);
    try {
      await tokens.spend(claims).catch((error) => this.#refusedToken("stage0", error));
    } catch (error) {
      leave();
      throw error;
    }
    return { claims, leave };
  }

  async verifyStage1(token: string): Promise<Stage1Claims> {
    return await this.#options.tokens.verifyStage1(token).catch((error) =>
      this.#refusedToken("stage1", error)
    );
  }

  async register(
    session: AgentSession,
    { replaces, issuedAt }: Registration,
  ): Promise<Revised<string> | undefined> {
    const { sessions, tokens, config, openPorts } = this.#options;
    sessions.checkReplacement(session.tunnelId, session.agentId, session.carrier?.index);
    const opening = openPorts(session);
    if (opening !== undefined) {
      await opening;
      if (session.channel.state !== "authorizing") throw new PosternError("channel_closed");
    }
    sessions.add(session, replaces, config.drainTimeoutMs);
    // The tokens may be older than the deletion of their tunnel, or the revocation of the machine. Whoever deletes or revokes
    // from now on finds the session.
    return await tokens.checkTunnel(session.tunnelId, issuedAt, session.claims);
  }

  online(session: AgentSession): void {
    this.#options.sessions.online(session);
  }

  retired(session: AgentSession): void {
    this.#options.sessions.retire(session);
    this.#options.onRetired(session);
  }

  gone(session: AgentSession): void {
    this.#options.sessions.remove(session);
  }

  /** Counts one more channel of an owner; the result takes it back, once. @throws PosternError `owner_agent_limit` */
  #countOwner(owner: string): () => void {
    const count = this.#owners.get(owner) ?? 0;
    if (count >= this.#options.config.limits.maxAgentsPerOwner) {
      throw new PosternError(
        "owner_agent_limit",
        "Cannot admit agent: its owner has as many as it may have",
        { detail: { agents: count } },
      );
    }
    this.#owners.set(owner, count + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const rest = this.#owners.get(owner)! - 1;
      if (rest === 0) this.#owners.delete(owner);
      else this.#owners.set(owner, rest);
    };
  }

  #refusedToken(kind: "stage0" | "stage1", error: unknown): never {
    this.#options.metrics.tokensRefused.inc({ kind, code: codeOf(error) });
    throw error;
  }
}
