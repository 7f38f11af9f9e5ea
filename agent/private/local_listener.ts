/** Where programs of this machine find a private service: a listening socket, each connection of which is a stream. */
import { formatHostPort } from "../../src/bytes/mod.ts";
import { type Address, isLoopbackHost } from "../../src/config/mod.ts";
import { acceptEach, type Slabs, TcpStream } from "../../src/driver/mod.ts";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import type { Clock, Log } from "../../src/ports/mod.ts";
import { carryConnection } from "./local_connection.ts";
import type { PrivateConnector } from "./private_connector.ts";

/** Connections at the same time; those beyond are closed. */
const MAX_CONNECTIONS = 1_024;

export interface LocalListenerOptions {
  readonly listen: Address;
  readonly connector: Pick<PrivateConnector, "acquire">;
  readonly slabs: Slabs;
  readonly clock: Clock;
  readonly log: Log;
  readonly newRequestId: () => string;
}

export class LocalListener {
  /** As it was bound: with the port that the system chose, where it was asked to. */
  readonly address: string;
  readonly #listener: Deno.TcpListener;
  readonly #abort = new AbortController();
  readonly #open = new Set<Promise<void>>();
  #isOpen = true;
  connections = 0;
  bytesIn = 0;
  bytesOut = 0;

  /** Listens at once. @throws PosternError `listen_failed` */
  constructor(options: LocalListenerOptions) {
    const { listen: { host, port }, clock, log } = options;
    try {
      this.#listener = Deno.listen({ hostname: host, port });
    } catch (cause) {
      throw new PosternError("listen_failed", `Cannot listen on ${formatHostPort(host, port)}`, { cause });
    }
    this.address = formatHostPort(host, this.#listener.addr.port);
    if (!isLoopbackHost(host)) {
      log("warn", "the private service can be reached by other machines through this one", {
        listen: this.address,
      });
    }
    acceptEach(
      this.#listener,
      { clock, log, isOpen: () => this.#isOpen },
      (conn) => this.#take(conn, options),
    );
  }

  get openConnections(): number {
    return this.#open.size;
  }

  /** Takes no further connection; resolves when those that are open have ended, and cuts them when the signal aborts. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#isOpen = false;
    this.#listener.close();
    const cut = () => this.#abort.abort();
    if (signal.aborted) cut();
    signal.addEventListener("abort", cut, { once: true });
    await Promise.all(this.#open);
    signal.removeEventListener("abort", cut);
  }

  #take(conn: Deno.TcpConn, { connector, slabs, log, newRequestId }: LocalListenerOptions): void {
    const socket = new TcpStream(conn);
    if (this.#open.size >= MAX_CONNECTIONS) {
      log("warn", "connection refused", { limit: MAX_CONNECTIONS });
      return socket.close();
    }
    this.connections++;
    const carried = carryConnection(socket, {
      connector,
      slabs,
      requestId: newRequestId(),
      signal: this.#abort.signal,
      onBytes: (out, back) => {
        this.bytesOut += out;
        this.bytesIn += back;
      },
    }).then((reason) => {
      if (reason !== undefined && reason !== "cancelled") log("info", "connection cut", { reason });
    }, (error) => log("warn", "connection not carried", { code: codeOf(error) })).finally(() =>
      this.#open.delete(carried)
    );
    this.#open.add(carried);
  }
}
