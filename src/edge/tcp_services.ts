/** Public ports of tcp services: one listener a port, open while a session publishes it and for the grace time after. */
import { codeOf, PosternError } from "../errors/mod.ts";
import { acceptEach, TcpStream } from "../driver/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { Admission } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { ProxyFront } from "./proxy_front.ts";
import { type OpenPort, PublicPorts } from "./public_ports.ts";
import { relayRaw } from "./raw_relay.ts";
import type { ViewerGate } from "./viewer_gate.ts";

export class TcpServices {
  readonly #context: EdgeContext;
  readonly #limits: Pick<ViewerGate, "admit">;
  readonly #proxyFront: ProxyFront;
  readonly #ports: PublicPorts<OpenPort>;
  readonly #open = new Set<ByteStream>();

  constructor(context: EdgeContext, limits: Pick<ViewerGate, "admit">) {
    this.#context = context;
    this.#limits = limits;
    this.#proxyFront = new ProxyFront(context);
    this.#ports = new PublicPorts("tcp", context.sessions, (port) => this.#listen(port));
  }

  /** Opens the ports that a session publishes. @throws PosternError `tcp_port_unavailable` */
  open({ claims }: { readonly claims: { readonly tcp_ports: readonly number[] } }): void {
    this.#ports.open(claims.tcp_ports);
  }

  /** Closes ports whose route is gone and that no session is about to serve. */
  closeUnused(): void {
    this.#ports.closeUnused();
  }

  /** Closes these ports; connections go on. */
  closePorts(ports: readonly number[]): void {
    this.#ports.closePorts(ports);
  }

  /** Takes no further connections. */
  stopAccepting(): void {
    this.#ports.close();
  }

  /** Cuts what is open. */
  close(): void {
    this.stopAccepting();
    for (const socket of this.#open) socket.close();
  }

  #listen(port: number): OpenPort {
    const { clock, log } = this.#context;
    const listener = this.#bind(port);
    let isOpen = true;
    acceptEach(
      listener,
      { clock, log, isOpen: () => isOpen },
      (conn) => this.#serve(new TcpStream(conn), port),
    );
    return {
      close() {
        isOpen = false;
        listener.close();
      },
    };
  }

  #bind(port: number): Deno.TcpListener {
    const { listen, workers } = this.#context.config;
    try {
      return Deno.listen({ hostname: listen.host, port, reusePort: workers > 1 });
    } catch (cause) {
      throw new PosternError("tcp_port_unavailable", `Cannot open port ${port}`, { cause, detail: { port } });
    }
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
