/** The public listener: accepts, sets NODELAY, bounds, looks at the first byte, and hands on: TLS or plain HTTP/1.1. */
import { codeOf, PosternError } from "../errors/mod.ts";
import { TcpStream } from "../driver/mod.ts";
import { acceptTls, type CertificateStore } from "../driver/tls/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { AgentGate } from "./agent_gate.ts";
import { type TrustedProxies, withoutPort } from "./client_ip.ts";
import type { ConnectionLimits } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { ViewerConnection } from "./viewer_connection.ts";

/** First byte of a TLS record that carries a handshake (RFC 8446 5.1). */
const TLS_HANDSHAKE = 0x16;
/** What is looked at before it is known who is served. */
const PEEK_BYTES = 2_048;

export interface ListenerOptions {
  readonly context: EdgeContext;
  readonly gate: AgentGate;
  readonly limits: ConnectionLimits;
  readonly proxies: TrustedProxies;
  /** Absent: TLS is refused. */
  readonly certificates: CertificateStore | undefined;
}

export class EdgeListener {
  readonly #options: ListenerOptions;
  readonly #context: EdgeContext;
  readonly #viewers = new Set<ViewerConnection>();
  #listener: Deno.TcpListener | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  /** Starts to listen; returns the port. @throws Deno.errors.AddrInUse and the like */
  listen(): number {
    const { listen } = this.#context.config;
    const listener = Deno.listen({ hostname: listen.host, port: listen.port, reusePort: listen.port !== 0 });
    this.#listener = listener;
    this.#acceptAll(listener);
    return listener.addr.port;
  }

  get openViewers(): number {
    return this.#viewers.size;
  }

  /** Takes no further connections and no further requests on those that are open. */
  stopAccepting(): void {
    this.#listener?.close();
    this.#listener = undefined;
    for (const viewer of this.#viewers) viewer.stop();
  }

  /** Resolves when no connection is open. */
  async drained(): Promise<void> {
    if (this.#viewers.size > 0) await new Promise<void>((resolve) => this.#emptied = resolve);
  }

  async #acceptAll(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await listener.accept();
      } catch (error) {
        if (this.#listener !== listener) return;
        // Out of file descriptors, or a connection that was gone before it was accepted: go on, a little later.
        this.#context.log("warn", "accept failed", { error: String(error) });
        await new Promise<void>((resolve) =>
          this.#context.clock.schedule(this.#context.clock.now() + ACCEPT_RETRY_MS, resolve)
        );
        continue;
      }
      this.#serve(new TcpStream(conn));
    }
  }

  async #serve(socket: ByteStream): Promise<void> {
    const { metrics, log } = this.#context;
    let leave: (() => void) | undefined;
    try {
      leave = this.#options.limits.enter(withoutPort(socket.remoteAddress));
      metrics.viewerConnections.inc();
      await this.#route(socket);
    } catch (error) {
      metrics.refusals.inc({ code: codeOf(error), layer: "listener" });
      log(error instanceof PosternError ? "debug" : "error", "connection refused", {
        code: codeOf(error),
        remote: socket.remoteAddress,
        cause: error instanceof PosternError ? undefined : String(error),
      });
    } finally {
      socket.close();
      if (leave !== undefined) metrics.viewerConnections.dec();
      leave?.();
    }
  }

  async #route(socket: ByteStream): Promise<void> {
    const { certificates } = this.#options;
    if (certificates === undefined) return await this.#viewer(socket, "http");
    const { deadlines, config, clock } = this.#context;
    const deadline = deadlines.set(config.timeouts.peekMs, () => socket.close());
    const peeked = new Uint8Array(PEEK_BYTES);
    let read: number | null;
    try {
      read = await socket.read(peeked);
    } finally {
      deadline.lift();
    }
    if (read === null) return;
    if (peeked[0] !== TLS_HANDSHAKE) {
      return await this.#viewer(prefixed(socket, peeked.subarray(0, read)), "http");
    }
    const { stream } = await acceptTls(socket, {
      contexts: certificates,
      clock,
      timeoutMs: config.timeouts.tlsHandshakeMs,
      peeked: peeked.subarray(0, read),
    });
    await this.#viewer(stream, "https");
  }

  async #viewer(socket: ByteStream, scheme: "http" | "https"): Promise<void> {
    const { context, gate, proxies } = this.#options;
    context.metrics.viewerConnectionsTotal.inc({ protocol: scheme });
    const viewer = new ViewerConnection({ context, gate, proxies, socket, scheme });
    this.#viewers.add(viewer);
    try {
      await viewer.run();
    } finally {
      this.#viewers.delete(viewer);
      if (this.#viewers.size === 0) this.#emptied?.();
    }
  }
}

/** Pause after a failed accept. */
const ACCEPT_RETRY_MS = 50;

/** The stream with bytes in front that were read already. */
function prefixed(stream: ByteStream, bytes: Uint8Array): ByteStream {
  let rest = bytes;
  return {
    remoteAddress: stream.remoteAddress,
    read(into) {
      if (rest.length === 0) return stream.read(into);
      const part = rest.subarray(0, into.length);
      into.set(part);
      rest = rest.subarray(part.length);
      return Promise.resolve(part.length);
    },
    write: (from) => stream.write(from),
    closeWrite: () => stream.closeWrite(),
    close: () => stream.close(),
  };
}
