/** All sessions that publish one hostname or port: smooth weighted round robin over the healthy ones. */
import type { AgentSession } from "./agent_session.ts";
import type { ServiceGuard } from "./service_guard.ts";

interface Member {
  readonly session: AgentSession;
  /** Share of the session: an agent with several channels side by side has the weight of one. */
  weight: number;
  /** Current weight of the smooth weighted round robin. */
  current: number;
}

export class RouteGroup {
  readonly name: string;
  /** Holds the service's rules. A new tunnel of the same name comes with a guard of its own. */
  guard: ServiceGuard | undefined;
  #members: Member[] = [];
  #waiters: (() => void)[] = [];
  /** Monotonic time at which the last session went; undefined while there is one, or when there never was. */
  emptySince: number | undefined;
  /** The route is no more: whoever waits for it waits in vain. */
  ended = false;

  constructor(name: string) {
    this.name = name;
  }

  get sessions(): AgentSession[] {
    return this.#members.map((member) => member.session);
  }
  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  add(session: AgentSession): void {
    this.#members.push({ session, weight: session.weight, current: 0 });
    this.#divideWeights();
    this.emptySince = undefined;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Ends the group and everybody's waiting for it. */
  end(): void {
    this.ended = true;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  remove(session: AgentSession, now: number): void {
    this.#members = this.#members.filter((member) => member.session !== session);
    this.#divideWeights();
    if (this.#members.length === 0) this.emptySince ??= now;
  }

  /** The session whose turn it is, leaving out `except`; an unhealthy one only when no other is left. */
  pick(now: number, except?: ReadonlySet<AgentSession>): AgentSession | undefined {
    if (this.#members.length === 1) {
      const only = this.#members[0].session;
      return only.isOnline && !except?.has(only) ? only : undefined;
    }
    return this.#pick((session) => session.isHealthy(now) && !except?.has(session)) ??
      this.#pick((session) => !except?.has(session));
  }

  /** Calls back when a session is added; the result stops waiting. */
  whenAdded(wake: () => void): () => void {
    this.#waiters.push(wake);
    return () => {
      this.#waiters = this.#waiters.filter((other) => other !== wake);
    };
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  #divideWeights(): void {
    for (const member of this.#members) {
      const beside = this.#members.filter(({ session }) => session.isBeside(member.session));
      // Of an agent's channels those that end in this worker are taken: others cost a way round.
      const nearer = member.session.isLinked && beside.some(({ session }) => !session.isLinked);
      const same = beside.filter(({ session }) => session.isLinked === member.session.isLinked).length;
      member.weight = nearer ? 0 : member.session.weight / (1 + same);
    }
  }

  #pick(allowed: (session: AgentSession) => boolean): AgentSession | undefined {
    let best: Member | undefined;
    let total = 0;
    for (const member of this.#members) {
      if (!member.session.isOnline || !allowed(member.session)) continue;
      member.current += member.weight;
      total += member.weight;
      if (best === undefined || member.current > best.current) best = member;
    }
    if (best === undefined) return undefined;
    best.current -= total;
    return best.session;
  }
}
