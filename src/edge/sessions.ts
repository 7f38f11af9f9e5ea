/**
 * All sessions of this edge. A new session of the same agent for the same tunnel fences the old one at once: it has just
 * proved that it is that agent, so nothing waits for a dead socket.
 */
import { PosternError } from "../errors/mod.ts";
import { satisfiesTier, type Tier } from "../identity/mod.ts";
import type { Clock, Log } from "../ports/mod.ts";
import { isTerminal } from "../channel/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import { Routes } from "./routes.ts";

/** Agents whose replacements are counted before those that are long past are forgotten. */
const MAX_KEPT_REPLACEMENTS = 1_024;

export interface ReplacementLimits {
  readonly maxCount: number;
  readonly windowMs: number;
}

export class Sessions {
  readonly routes: Routes;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: ReplacementLimits;
  readonly #sessions = new Map<string, AgentSession>();
  /** The same by tunnel, so that one agent's coming, or a list of tunnels, does not look at everybody's sessions. */
  readonly #ofTunnel = new Map<string, Set<AgentSession>>();
  /** Those whose channels end in other workers of this edge. */
  readonly #linked = new Map<string, AgentSession>();
  readonly #replacements = new Map<string, number[]>();
  readonly #emptyWaiters: (() => void)[] = [];

  constructor(options: { clock: Clock; log: Log; graceMs: number; replacement: ReplacementLimits }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limits = options.replacement;
    this.routes = new Routes(options.clock, options.graceMs);
  }

  get size(): number {
    return this.#sessions.size;
  }
  get all(): AgentSession[] {
    return [...this.#sessions.values()];
  }
  /** With those of other workers. */
  *everywhere(): Iterable<AgentSession> {
    yield* this.#sessions.values();
    yield* this.#linked.values();
  }
  get(id: string): AgentSession | undefined {
    return this.#sessions.get(id);
  }
  ofTunnel(tunnelId: string): AgentSession[] {
    return [...this.#ofTunnel.get(tunnelId) ?? []];
  }

  /** Throws `replace_rate_limited` when this agent replaces its sessions too fast. Call before {@link add}. */
  checkReplacement(tunnelId: string, agentId: string, carrier = 0): void {
    const key = replacementKey(tunnelId, agentId, carrier);
    const now = this.#clock.now();
    const recent = (this.#replacements.get(key) ?? []).filter((at) => now - at < this.#limits.windowMs);
    if (recent.length === 0) this.#replacements.delete(key);
    else this.#replacements.set(key, recent);
    if (recent.length >= this.#limits.maxCount) throw new PosternError("replace_rate_limited");
  }

  /**
   * Takes in a proven session. Older ones of the same agent and tunnel are cut, except those that stand beside it, and the
   * one that `replaces` names: that one drains, since the agent closes it itself when its streams are done.
   */
  add(session: AgentSession, replaces: string | undefined, drainMs: number): void {
    let isReplacement = false;
    for (const old of this.ofTunnel(session.tunnelId)) {
      const over = isTerminal(old.channel.state) || old.channel.state === "closing";
      if (old.agentId !== session.agentId || over || session.isBeside(old)) continue;
      isReplacement = true;
      if (old.id === replaces) {
        old.channel.drain("draining", drainMs, this.#clock.now());
        continue;
      }
      this.#log("warn", "session fenced", { session_id: old.id, by: session.id, agent_id: session.agentId });
      this.routes.remove(old);
      old.channel.close(new PosternError("session_fenced"), this.#clock.now());
    }
    if (isReplacement) {
      this.#countReplacement(replacementKey(session.tunnelId, session.agentId, session.carrier?.index ?? 0));
    }
    this.keep(session);
  }

  /** Takes in a session that was judged elsewhere. */
  keep(session: AgentSession): void {
    this.#sessions.set(session.id, session);
    const ofTunnel = this.#ofTunnel.get(session.tunnelId);
    if (ofTunnel === undefined) this.#ofTunnel.set(session.tunnelId, new Set([session]));
    else ofTunnel.add(session);
  }

  #countReplacement(key: string): void {
    const now = this.#clock.now();
    this.#replacements.set(key, [...(this.#replacements.get(key) ?? []), now]);
    if (this.#replacements.size <= MAX_KEPT_REPLACEMENTS) return;
    for (const [other, times] of this.#replacements) {
      if (now - times[times.length - 1] >= this.#limits.windowMs) this.#replacements.delete(other);
    }
  }

  /** The first echo came back: viewers may be sent there. */
  online(session: AgentSession): void {
    if (this.#sessions.has(session.id) && session.isOnline) this.routes.add(session);
  }

  /** The session takes no new streams; what is open goes on. */
  retire(session: AgentSession): void {
    this.routes.remove(session);
  }

  remove(session: AgentSession): void {
    this.routes.remove(session);
    this.#sessions.delete(session.id);
    const ofTunnel = this.#ofTunnel.get(session.tunnelId);
    ofTunnel?.delete(session);
    if (ofTunnel?.size === 0) this.#ofTunnel.delete(session.tunnelId);
    if (this.#sessions.size === 0) { for (const wake of this.#emptyWaiters.splice(0)) wake(); }
  }

  /** Another worker has this session. It serves from {@link onlineElsewhere} on. */
  link(session: AgentSession): void {
    this.#linked.set(session.id, session);
  }

  /** Viewers may be sent to a session of another worker. */
  onlineElsewhere(id: string, lastEchoAt: number): void {
    const session = this.#linked.get(id);
    if (session === undefined) return;
    session.lastEchoAt = lastEchoAt;
    if (session.isOnline) this.routes.add(session);
  }

  /** A session of another worker takes no new streams, or is over. */
  unlink(id: string): AgentSession | undefined {
    const session = this.#linked.get(id);
    if (session === undefined) return undefined;
    this.#linked.delete(id);
    this.routes.remove(session);
    return session;
  }

  /** Cuts all sessions of a tunnel: it was deleted. */
  cutTunnel(tunnelId: string, error: PosternError): void {
    const linked = [...this.#linked.values()].filter((session) => session.tunnelId === tunnelId);
    for (const session of [...this.ofTunnel(tunnelId), ...linked]) {
      this.routes.remove(session);
      this.routes.drop(Routes.namesOf(session));
      session.channel.close(error, this.#clock.now());
    }
  }

  /** Cuts all sessions of an agent, for one tunnel or whatever they serve: its machine was revoked, or failed. */
  cutAgent(agentId: string, error: PosternError, tunnelId?: string): void {
    for (const session of [...this.everywhere()]) {
      if (session.agentId !== agentId || (tunnelId ?? session.tunnelId) !== session.tunnelId) continue;
      this.routes.remove(session);
      session.channel.close(error, this.#clock.now());
    }
  }

  /** Cuts the sessions of a tunnel whose agents are of a weaker tier than it demands now. */
  cutWeaker(tunnelId: string, required: Tier, error: PosternError): void {
    for (const session of [...this.everywhere()]) {
      if (session.tunnelId !== tunnelId || satisfiesTier(session.claims.tier, required)) continue;
      this.routes.remove(session);
      session.channel.close(error, this.#clock.now());
    }
  }

  /** Agents that have sessions of a tunnel and are of no weaker tier than this. */
  agentsOfTier(tunnelId: string, required: Tier): Set<string> {
    const strong = this.ofTunnel(tunnelId).filter(({ claims }) => satisfiesTier(claims.tier, required));
    return new Set(strong.map(({ agentId }) => agentId));
  }

  /** Asks every agent to go elsewhere and lets open streams finish; resolves when all are gone. */
  async drain(deadlineMs: number): Promise<void> {
    for (const session of this.all) session.channel.drain("draining", deadlineMs, this.#clock.now());
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#emptyWaiters.push(resolve));
  }
}

/** Each of an agent's channels side by side is counted for itself. */
function replacementKey(tunnelId: string, agentId: string, carrier: number): string {
  return `${tunnelId}/${agentId}/${carrier}`;
}
