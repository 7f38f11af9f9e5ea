/** Public ports of tcp services: one listener a port, open while a session publishes it and for the grace time after. */
import { codeOf, PosternError } from "../errors/mod.ts";
import { acceptEach, TcpStream } from "../driver/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { Admission } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { ProxyFront } from "./proxy_front.ts";
import { relayRaw } from "./raw_relay.ts";
import type { ViewerGate } from "./viewer_gate.ts";

export class TcpServices {
  readonly #context: EdgeContext;
  readonly #limits: Pick<ViewerGate, "admit">;
  readonly #proxyFront: ProxyFront;
  readonly #listeners = new Map<number, Deno.TcpListener>();
  readonly #open = new Set<ByteStream>();

  constructor(context: EdgeContext, limits: Pick<ViewerGate, "admit">) {
    this.#context = context;
    this.#limits = limits;
    this.#proxyFront = new ProxyFront(context);
  }

  /** Opens the ports that a session publishes. @throws PosternError `tcp_port_unavailable` */
  open({ claims }: { readonly claims: { readonly tcp_ports: readonly number[] } }): void {
    for (const port of claims.tcp_ports) {
      if (this.#listeners.has(port)) continue;
      try {
        const { listen, workers } = this.#context.config;
        const listener = Deno.listen({ hostname: listen.host, port, reusePort: workers > 1 });
        this.#listeners.set(port, listener);
        this.#acceptAll(listener, port);
      } catch (cause) {
        throw new PosternError("tcp_port_unavailable", `Cannot open port ${port}`, {
          cause,
          detail: { port },
        });
      }
    }
  }

  /** Closes ports whose route is gone and that no session is about to serve. */
  closeUnused(): void {
    const { routes, all } = this.#context.sessions;
    for (const [port, listener] of this.#listeners) {
      if (routes.group(`tcp:${port}`) !== undefined) continue;
      if (all.some((session) => session.claims.tcp_ports.includes(port))) continue;
      this.#listeners.delete(port);
      listener.close();
    }
  }

  /** Closes these ports; connections go on. */
  closePorts(ports: readonly number[]): void {
    for (const port of ports) {
      this.#listeners.get(port)?.close();
      this.#listeners.delete(port);
    }
  }

  /** Takes no further connections. */
  stopAccepting(): void {
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const listener of listeners) listener.close();
  }

  /** Cuts what is open. */
  close(): void {
    this.stopAccepting();
    for (const socket of this.#open) socket.close();
  }

  #acceptAll(listener: Deno.TcpListener, port: number): void {
    const { clock, log } = this.#context;
    acceptEach(
      listener,
      { clock, log, isOpen: () => this.#listeners.get(port) === listener },
      (conn) => this.#serve(new TcpStream(conn), port),
    );
  }

  async #serve(socket: ByteStream, port: number): Promise<void> {
    const { metrics, log, newRequestId } = this.#context;
    let admission: Admission | undefined;
    const requestId = newRequestId();
    try {
      admission = this.#limits.admit();
      metrics.viewerConnections.inc();
      metrics.viewerConnectionsTotal.inc({ protocol: "tcp" });
      this.#open.add(socket);
      const viewer = await this.#proxyFront.admitRaw(socket, admission);
      if (viewer === undefined) return;
      const group = this.#context.sessions.routes.group(`tcp:${port}`);
      if (group === undefined) throw new PosternError("tunnel_offline");
      const reason = await relayRaw(this.#context, { group, socket: viewer, requestId });
      if (reason !== undefined) log("info", "tcp connection cut", { request_id: requestId, port, reason });
    } catch (error) {
      metrics.refusals.inc({ code: codeOf(error), layer: "listener" });
      log("info", "tcp connection refused", { request_id: requestId, port, code: codeOf(error) });
    } finally {
      socket.close();
      if (this.#open.delete(socket)) metrics.viewerConnections.dec();
      admission?.leave();
    }
  }
}
