/**
 * Which sessions serve which hostname or port. An exact hostname goes before a wildcard, and a wildcard stands for one
 * label only. A route whose last session went stays for the grace time, so that viewers wait instead of failing.
 */
import { PosternError } from "../errors/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import { RouteGroup } from "./route_group.ts";
import type { ServiceGuard } from "./service_guard.ts";

/** Most viewers that wait for one route to come back. */
const MAX_WAITING = 4_096;
/** What stands before a hostname whose TLS is passed on: such a route takes no requests, and others no raw bytes. */
const TLS_PREFIX = "tls:";

/** Name of the route of a hostname whose TLS is passed on. */
export function tlsRoute(hostname: string): string {
  return TLS_PREFIX + hostname;
}

/** Whether a route's name is one that {@link tlsRoute} made. */
export function isTlsRoute(route: string): boolean {
  return route.startsWith(TLS_PREFIX);
}

export class Routes {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #startedAt: number;
  readonly #groups = new Map<string, RouteGroup>();
  /** Groups whose TLS is passed on. While there are none, nobody looks for them. */
  #tlsGroups = 0;

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#startedAt = clock.now();
  }

  /** Names of the routes of a session: hostnames, `tls:HOSTNAME`, `tcp:PORT` and `udp:PORT`. */
  static namesOf({ claims }: AgentSession): string[] {
    const { hostnames, tls_hostnames, tcp_ports, udp_ports } = claims;
    return [
      ...hostnames,
      ...tls_hostnames.map(tlsRoute),
      ...tcp_ports.map((port) => `tcp:${port}`),
      ...udp_ports.map((port) => `udp:${port}`),
    ];
  }

  /** The session may be used from now on. Call when it is online, not before. */
  add(session: AgentSession): void {
    for (const name of Routes.namesOf(session)) {
      const group = this.#groups.get(name) ?? this.#make(name);
      group.guard = session.guard; // first: adding wakes those who wait
      if (!group.sessions.includes(session)) group.add(session);
    }
  }

  /** No new stream goes to the session. */
  remove(session: AgentSession): void {
    const now = this.#clock.now();
    for (const name of Routes.namesOf(session)) this.#groups.get(name)?.remove(session, now);
  }

  /** Forgets routes at once, without grace: their tunnel is no more. */
  drop(names: readonly string[]): void {
    for (const name of names) {
      this.#groups.get(name)?.end();
      this.#forget(name);
    }
  }

  get all(): Iterable<RouteGroup> {
    return this.#groups.values();
  }

  group(name: string): RouteGroup | undefined {
    return this.#groups.get(name);
  }

  /** The group that serves a hostname: exact, unless its grace time is over; then `*.` and the rest behind its first label. */
  find(hostname: string): RouteGroup | undefined {
    return this.#find("", hostname);
  }

  /** The group that gets the TLS of a hostname as it is; an exact name whose TLS ends here goes before its wildcard. */
  findTls(hostname: string): RouteGroup | undefined {
    if (this.#tlsGroups === 0) return undefined;
    const group = this.#find(TLS_PREFIX, hostname);
    if (group === undefined || group.name === tlsRoute(hostname)) return group;
    const ending = this.#groups.get(hostname);
    return ending === undefined || this.#isOld(ending, this.#clock.now()) ? group : undefined;
  }

  #find(prefix: string, hostname: string): RouteGroup | undefined {
    const exact = this.#groups.get(prefix + hostname);
    if (exact !== undefined && !this.#isOld(exact, this.#clock.now())) return exact;
    const dot = hostname.indexOf(".");
    return (dot < 0 ? undefined : this.#groups.get(`${prefix}*${hostname.slice(dot)}`)) ?? exact;
  }

  /** A session of the group as it is now, one of `except` only when there is no other; undefined when it has none. */
  pick(group: RouteGroup, except?: ReadonlySet<AgentSession>): AgentSession | undefined {
    if (group.ended) return undefined;
    const now = this.#clock.now();
    return group.pick(now, except) ?? group.pick(now);
  }

  /**
   * The group of a route that is known but has had no session since this edge started, while that is less than the grace
   * time ago: its agent may be on the way back. Call for names of tunnels only, a wildcard by its own name: each takes memory.
   */
  expect(route: string, guard: ServiceGuard): RouteGroup | undefined {
    const group = this.#groups.get(route);
    if (group !== undefined || this.#clock.now() - this.#startedAt >= this.#graceMs) return group;
    const expected = this.#make(route);
    expected.emptySince = this.#startedAt;
    expected.guard = guard;
    return expected;
  }

  /**
   * A session of the group, now or when one comes back within the grace time.
   * @throws PosternError `tunnel_offline`, `viewer_limit`, or the signal's reason
   */
  async session(
    group: RouteGroup,
    signal: AbortSignal,
    except?: ReadonlySet<AgentSession>,
  ): Promise<AgentSession> {
    const startedAt = this.#clock.now();
    while (!group.ended) {
      const session = this.pick(group, except);
      if (session !== undefined) return session;
      const left = (group.emptySince ?? startedAt) + this.#graceMs - this.#clock.now();
      if (left <= 0) throw new PosternError("tunnel_offline");
      if (group.waiting >= MAX_WAITING) throw new PosternError("viewer_limit");
      await this.#added(group, left, signal);
    }
    throw new PosternError("tunnel_offline");
  }

  #added(group: RouteGroup, withinMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        stopWaiting();
        stopTimer();
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onAbort = () => finish(() => reject(signal.reason));
      const stopWaiting = group.whenAdded(() => finish(resolve));
      const stopTimer = this.#clock.schedule(this.#clock.now() + withinMs, () => finish(resolve));
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort);
    });
  }

  /** Forgets routes whose grace time is over. */
  forgetOld(): void {
    const now = this.#clock.now();
    for (const [name, group] of this.#groups) {
      if (this.#isOld(group, now) && group.waiting === 0) this.#forget(name);
    }
  }

  #make(name: string): RouteGroup {
    const group = new RouteGroup(name);
    this.#groups.set(name, group);
    if (isTlsRoute(name)) this.#tlsGroups++;
    return group;
  }

  #forget(name: string): void {
    if (this.#groups.delete(name) && isTlsRoute(name)) this.#tlsGroups--;
  }

  #isOld(group: RouteGroup, now: number): boolean {
    return group.emptySince !== undefined && now - group.emptySince > this.#graceMs;
  }
}
