/** Public ports of services that the workers have open: opened with the first session that publishes them, closed when long unused. */
import { PosternError } from "../errors/mod.ts";

interface Ports {
  readonly tcp_ports: readonly number[];
  readonly udp_ports: readonly number[];
}

/** Beyond the time for which routes wait for their agents. */
const SLACK_MS = 10_000;

export class ServicePortList {
  readonly #host: string;
  readonly #keepMs: number;
  /** Monotonic times at which they were used last. */
  readonly #tcp = new Map<number, number>();
  readonly #udp = new Map<number, number>();

  constructor(options: { host: string; keepMs: number }) {
    this.#host = options.host;
    this.#keepMs = options.keepMs + SLACK_MS;
  }

  get isEmpty(): boolean {
    return this.#tcp.size + this.#udp.size === 0;
  }
  get all(): Ports {
    return { tcp_ports: [...this.#tcp.keys()], udp_ports: [...this.#udp.keys()] };
  }

  /**
   * Somebody is about to publish these. A port that is new must be nobody else's: workers share theirs, and would share it
   * with any other program of this user that shares. @throws PosternError `tcp_port_unavailable`
   */
  use({ tcp_ports, udp_ports }: Ports, now: number): void {
    for (const port of tcp_ports) {
      if (!this.#tcp.has(port)) this.#probe(port);
    }
    for (const port of tcp_ports) this.#tcp.set(port, now);
    for (const port of udp_ports) this.#udp.set(port, now);
  }

  /** Forgets, and gives, those that no session has published for longer than a route waits; undefined: there are none. */
  takeUnused(sessions: Iterable<{ readonly claims: Ports }>, now: number): Ports | undefined {
    for (const { claims } of sessions) {
      for (const port of claims.tcp_ports) this.#tcp.set(port, now);
      for (const port of claims.udp_ports) this.#udp.set(port, now);
    }
    const tcp_ports = this.#take(this.#tcp, now);
    const udp_ports = this.#take(this.#udp, now);
    return tcp_ports.length + udp_ports.length === 0 ? undefined : { tcp_ports, udp_ports };
  }

  #take(ports: Map<number, number>, now: number): number[] {
    const unused = [...ports].filter(([, usedAt]) => now - usedAt > this.#keepMs).map(([port]) => port);
    for (const port of unused) ports.delete(port);
    return unused;
  }

  #probe(port: number): void {
    try {
      Deno.listen({ hostname: this.#host, port }).close();
    } catch (cause) {
      throw new PosternError("tcp_port_unavailable", `Cannot open port ${port}`, { cause, detail: { port } });
    }
  }
}
