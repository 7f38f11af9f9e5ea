/** Ports that services are published at: each is open while a session publishes it and for the grace time after. */
import type { AgentSession } from "./agent_session.ts";
import type { Sessions } from "./sessions.ts";

/** What listens at a port. */
export interface OpenPort {
  close(): void;
}

export class PublicPorts<T extends OpenPort> {
  readonly #protocol: "tcp" | "udp";
  readonly #sessions: Sessions;
  readonly #open: (port: number) => T;
  readonly #ports = new Map<number, T>();

  /** @param open opens a port, or throws why it cannot be opened */
  constructor(protocol: "tcp" | "udp", sessions: Sessions, open: (port: number) => T) {
    this.#protocol = protocol;
    this.#sessions = sessions;
    this.#open = open;
  }

  at(port: number): T | undefined {
    return this.#ports.get(port);
  }

  /** Opens those that are not open yet. @throws what opening one throws; those before it stay open */
  open(ports: readonly number[]): void {
    for (const port of ports) {
      if (!this.#ports.has(port)) this.#ports.set(port, this.#open(port));
    }
  }

  /** Closes ports whose route is gone and that no session is about to serve. */
  closeUnused(): void {
    const { routes, all } = this.#sessions;
    for (const port of this.#ports.keys()) {
      if (routes.group(`${this.#protocol}:${port}`) !== undefined) continue;
      if (all.some((session) => this.#publishedBy(session).includes(port))) continue;
      this.closePorts([port]);
    }
  }

  closePorts(ports: readonly number[]): void {
    for (const port of ports) {
      this.#ports.get(port)?.close();
      this.#ports.delete(port);
    }
  }

  close(): void {
    this.closePorts([...this.#ports.keys()]);
  }

  #publishedBy({ claims }: AgentSession): readonly number[] {
    return this.#protocol === "tcp" ? claims.tcp_ports : claims.udp_ports;
  }
}
