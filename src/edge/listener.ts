/** The public listener: accepts, sets NODELAY, bounds, looks at the first bytes, and hands on: TLS, here or passed on, or plain HTTP/1.1. */
import { codeOf, PosternError } from "../errors/mod.ts";
import { acceptEach, TcpStream } from "../driver/mod.ts";
import { acceptTls, type CertificateStore, type PeekedHello } from "../driver/tls/mod.ts";
import { AddressBlocks, ipBytes } from "../bytes/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { AgentGate } from "./agent_gate.ts";
import { type TrustedProxies, withoutPort } from "./client_ip.ts";
import type { Admission } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { ProxyFront } from "./proxy_front.ts";
import type { EdgeRelay } from "./relay.ts";
import { readFirstBytes } from "./first_bytes.ts";
import { Http2ViewerConnection } from "./http2_viewer_connection.ts";
import { passThrough, tlsDestination } from "./tls_pass_through.ts";
import { ViewerConnection } from "./viewer_connection.ts";
import type { ViewerGate } from "./viewer_gate.ts";

export interface ListenerOptions {
  readonly context: EdgeContext;
  readonly gate: AgentGate;
  readonly relay: EdgeRelay;
  readonly limits: Pick<ViewerGate, "admit">;
  readonly proxies: TrustedProxies;
  /** Absent: no TLS ends here. */
  readonly certificates: CertificateStore | undefined;
}

/** One accepted connection; `viewer` is there once it is known that HTTP is spoken. */
interface Served {
  readonly socket: ByteStream;
  viewer?: ViewerConnection | Http2ViewerConnection;
  /** TLS that ends at an agent's service: it lasts as long as both sides want. */
  passesThrough?: true;
}

export class EdgeListener {
  readonly #options: ListenerOptions;
  readonly #context: EdgeContext;
  readonly #proxyFront: ProxyFront;
  readonly #served = new Set<Served>();
  readonly #h2cFrom: AddressBlocks;
  #listener: Deno.TcpListener | undefined;
  #stopping = false;
  #accepting: Promise<void> = Promise.resolve();
  #onAccept: (remotePort: number) => void = () => {};
  #onEnd: () => void = () => {};

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#h2cFrom = new AddressBlocks(options.context.config.h2cFrom);
    this.#proxyFront = new ProxyFront(options.context);
  }

  /** Starts to listen; returns the port. @throws Deno.errors.AddrInUse and the like */
  listen(): number {
    const { listen, takeOver } = this.#context.config;
    const address = { hostname: listen.host, port: listen.port };
    // The port is shared with a successor only. Whether somebody has it already, only a listener that does not share tells.
    if (!takeOver) Deno.listen(address).close();
    const listener = Deno.listen({ ...address, reusePort: listen.port !== 0 });
    this.#listener = listener;
    const { clock, log } = this.#context;
    this.#accepting = acceptEach(
      listener,
      { clock, log, isOpen: () => this.#listener === listener },
      (conn) => {
        this.#serve(new TcpStream(conn));
        this.#onAccept(conn.remoteAddr.port);
      },
    );
    return listener.addr.port;
  }

  get openViewers(): number {
    let viewers = 0;
    for (const { viewer, passesThrough } of this.#served) {
      if (viewer !== undefined || passesThrough) viewers++;
    }
    return viewers;
  }

  /** Takes no further connections, except those that wait in the listener: closing it would reset them. */
  async stopAccepting(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    await this.#acceptWaiting(listener);
    this.#close(listener);
    await this.#accepting; // until then the system still counts the socket, and gives it connections
  }

  /**
   * Connections that are open get one more answer each, which says that it is the last. Call when nobody listens any more on
   * this port: a viewer that knows comes back on a new connection at once.
   */
  stopViewers(): void {
    this.#stopping = true;
    for (const { viewer } of this.#served) viewer?.stop();
  }

  #close(listener: Deno.TcpListener): void {
    if (this.#listener !== listener) return;
    this.#listener = undefined;
    listener.close();
  }

  /** Resolves when no viewer is left, or after `withinMs`: then connections without a request are closed. */
  async settled(withinMs: number): Promise<void> {
    const mayStay = ({ viewer, passesThrough }: Served) =>
      viewer?.isCarrier === true || passesThrough === true;
    await this.#until(withinMs, () => [...this.#served].every(mayStay));
    for (const { socket, viewer, passesThrough } of this.#served) {
      if (passesThrough) continue;
      if (viewer === undefined) socket.close();
      else viewer.finish();
    }
  }

  /** Resolves when no connection is open, or after `withinMs`: then the rest is cut. */
  async drained(withinMs: number): Promise<void> {
    await this.#until(withinMs, () => this.#served.size === 0);
    for (const { socket } of this.#served) socket.close();
  }

  #until(withinMs: number, holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#context;
      const done = () => {
        cancel();
        this.#onEnd = () => {};
        resolve();
      };
      const cancel = clock.schedule(clock.now() + withinMs, done);
      this.#onEnd = () => holds() && done();
      this.#onEnd();
    });
  }

  /** A connection of our own comes last in the queue: when it is accepted, all before it are. */
  async #acceptWaiting(listener: Deno.TcpListener): Promise<void> {
    const { clock } = this.#context;
    const accepted = new Set<number>();
    this.#onAccept = (port) => accepted.add(port);
    let last: Deno.TcpConn | undefined;
    // Where others listen beside us, the system chooses who gets it: some more are made then.
    const attempts = this.#context.config.takeOver ? SHARED_ATTEMPTS : 1;
    try {
      const { hostname, port: listened } = listener.addr;
      for (let attempt = 1; attempt <= attempts && this.#listener === listener; attempt++) {
        last?.close();
        last = await Deno.connect({ hostname, port: listened });
        const { port } = last.localAddr;
        if (accepted.has(port)) return;
        await new Promise<void>((resolve) => {
          const cancel = clock.schedule(clock.now() + ACCEPT_WAITING_MS / attempts, resolve);
          this.#onAccept = (accepted) => {
            if (accepted !== port) return;
            this.#close(listener); // in the same turn, before others queue up
            cancel();
            resolve();
          };
        });
      }
    } catch {
      // Not to be reached from here: then those that wait are reset, as they would be anyway.
    } finally {
      this.#onAccept = () => {};
      last?.close();
    }
  }

  async #serve(socket: ByteStream): Promise<void> {
    const { metrics, log } = this.#context;
    let admission: Admission | undefined;
    const served: Served = { socket };
    this.#served.add(served);
    try {
      admission = this.#options.limits.admit();
      metrics.viewerConnections.inc();
      const named = await this.#proxyFront.admit(socket, admission);
      if (named !== undefined) await this.#route(served, named);
    } catch (error) {
      metrics.refusals.inc({ code: codeOf(error), layer: "listener" });
      log(levelOf(error), "connection refused", {
        code: codeOf(error),
        remote: socket.remoteAddress,
        cause: error instanceof PosternError ? undefined : String(error),
      });
    } finally {
      socket.close();
      if (admission !== undefined) metrics.viewerConnections.dec();
      admission?.leave();
      this.#served.delete(served);
      this.#onEnd();
    }
  }

  async #route(served: Served, socket: ByteStream): Promise<void> {
    const first = await readFirstBytes(socket, this.#context, this.#maySpeakH2c(served.socket));
    switch (first.kind) {
      case "nothing":
        return;
      case "http2":
        return await this.#http2(served, first.stream, "http", () => true);
      case "plain":
        return await this.#viewer(served, first.stream, "http");
      case "tls":
        return await this.#tls(served, socket, first.hello);
      default:
        return first satisfies never;
    }
  }

  async #tls(served: Served, socket: ByteStream, hello: PeekedHello): Promise<void> {
    const { certificates } = this.#options;
    const { clock, config, metrics, log, newRequestId } = this.#context;
    const covers = certificates === undefined ? undefined : (name: string) => certificates.covers(name);
    const destination = await tlsDestination(this.#context, socket, hello, covers);
    if (destination !== "edge") {
      served.passesThrough = true;
      metrics.viewerConnectionsTotal.inc({ protocol: "tls" });
      const requestId = newRequestId();
      const reason = await passThrough(this.#context, { group: destination, socket, hello, requestId });
      if (reason !== undefined) log("info", "tls connection cut", { request_id: requestId, reason });
      return;
    }
    const { stream, alpn, serverName } = await acceptTls(socket, {
      contexts: certificates!,
      clock,
      timeoutMs: config.timeouts.tlsHandshakeMs,
      hello,
      alpnProtocols: config.http2 ? WITH_HTTP2 : undefined,
    });
    if (alpn !== "h2") return await this.#viewer(served, stream, "https");
    await this.#http2(
      served,
      stream,
      "https",
      // Who names no host at TLS has said nothing that a request could contradict.
      (host) => serverName === undefined || host === serverName || certificates!.coversBoth(serverName, host),
    );
  }

  async #http2(
    served: Served,
    socket: ByteStream,
    scheme: "http" | "https",
    covers: (hostname: string) => boolean,
  ): Promise<void> {
    const { context, proxies } = this.#options;
    context.metrics.viewerConnectionsTotal.inc({ protocol: scheme === "https" ? "h2" : "h2c" });
    const viewer = new Http2ViewerConnection({ context, proxies, socket, scheme, covers });
    served.viewer = viewer;
    if (this.#stopping) viewer.stop();
    await viewer.run();
  }

  /** @param socket the connection itself, whomever it speaks for */
  #maySpeakH2c(socket: ByteStream): boolean {
    if (this.#h2cFrom.isEmpty) return false;
    const address = ipBytes(withoutPort(socket.remoteAddress));
    return address !== undefined && this.#h2cFrom.has(address);
  }

  async #viewer(served: Served, socket: ByteStream, scheme: "http" | "https"): Promise<void> {
    const { context, gate, relay, proxies } = this.#options;
    context.metrics.viewerConnectionsTotal.inc({ protocol: scheme });
    const viewer = new ViewerConnection({ context, gate, relay, proxies, socket, scheme });
    served.viewer = viewer;
    if (this.#stopping) viewer.stop();
    await viewer.run();
  }
}

/** In the order of preference. */
const WITH_HTTP2 = ["h2", "http/1.1"];

/** Connections that are made to find our own queue among several. */
const SHARED_ATTEMPTS = 16;
/** Longest wait for connections that are queued already. */
const ACCEPT_WAITING_MS = 250;

/** What an operator can mend is told at once; what viewers do would fill the log. */
function levelOf(error: unknown): "debug" | "info" | "error" {
  if (!(error instanceof PosternError)) return "error";
  return error.facts.blame === "operator" ? "info" : "debug";
}
