/** A port for nodes. Whoever was not judged yet has bounded numbers, time and bytes. */
import { codeOf, PosternError } from "../../errors/mod.ts";
import type { ByteStream, Clock, Log } from "../../ports/mod.ts";
import { acceptEach } from "../accept_loop.ts";
import { TcpStream } from "../tcp_stream.ts";
import { acceptMutualTls, type ExpectedPeer, type MutualTlsConnection } from "./mutual_tls.ts";
import type { NodeIdentity } from "./node_identity.ts";
import { claimedName, type PresentedPeer } from "./presented_peer.ts";

/** Handshakes at the same time: each costs a signature and some 100 KiB. */
const MAX_HANDSHAKES = 64;
/** Of one address: a neighbour that stalls does not keep the others out. */
const MAX_HANDSHAKES_PER_ADDRESS = 16;

export interface MutualTlsListenerOptions {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly log: Log;
  readonly expected: ExpectedPeer;
  /** Connections that are open, handshakes included. */
  readonly maxConnections: number;
  readonly onConnection: (connection: MutualTlsConnection, address: string) => Promise<void>;
  /** Of every handshake: `ok`, or why not. */
  readonly onHandshake: (result: string) => void;
  /** Whoever was refused, with the SPIFFE id that its certificate claims. */
  readonly onRefused?: (code: string, address: string, claimed: string | undefined) => void;
}

export class MutualTlsListener {
  readonly port: number;
  readonly #options: MutualTlsListenerOptions;
  readonly #listener: Deno.TcpListener;
  readonly #handshakes = new Map<ByteStream, string>();
  readonly #open = new Set<ByteStream>();
  readonly #running = new Set<Promise<void>>();
  #isOpen = true;

  /** Throws `listen_failed`. */
  constructor(options: MutualTlsListenerOptions) {
    const { host, port } = options.listen;
    this.#options = options;
    try {
      this.#listener = Deno.listen({ hostname: host, port });
    } catch (cause) {
      throw new PosternError("listen_failed", `Cannot listen for nodes on ${host}:${port}`, { cause });
    }
    this.port = this.#listener.addr.port;
    const { clock, log } = options;
    void acceptEach(
      this.#listener,
      { clock, log, isOpen: () => this.#isOpen },
      (conn) => this.#take(conn),
    );
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Ends what is open, too. Resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#isOpen = false;
    try {
      this.#listener.close();
    } catch {
      // Closed before.
    }
    for (const tcp of [...this.#handshakes.keys(), ...this.#open]) tcp.close();
    await Promise.all(this.#running);
  }

  #take(conn: Deno.TcpConn): void {
    const { hostname } = conn.remoteAddr;
    const ofAddress = [...this.#handshakes.values()].filter((one) => one === hostname).length;
    const isBusy = this.#handshakes.size >= MAX_HANDSHAKES || ofAddress >= MAX_HANDSHAKES_PER_ADDRESS;
    if (isBusy || this.#open.size + this.#handshakes.size >= this.#options.maxConnections) {
      conn.close();
      this.#refused(hostname, isBusy ? "node_handshakes_busy" : "node_connections_full");
      return;
    }
    const tcp = new TcpStream(conn);
    this.#handshakes.set(tcp, hostname);
    const run = this.#serve(tcp, hostname).finally(() => {
      tcp.close();
      this.#handshakes.delete(tcp);
      this.#open.delete(tcp);
      this.#running.delete(run);
    });
    this.#running.add(run);
  }

  async #serve(tcp: ByteStream, hostname: string): Promise<void> {
    const { identity, clock, expected, onConnection, onHandshake, log } = this.#options;
    let connection: MutualTlsConnection;
    let presented: PresentedPeer | undefined;
    try {
      connection = await acceptMutualTls(tcp, {
        identity,
        clock,
        expected,
        onPresented: (shown) => presented = shown,
      });
    } catch (error) {
      if (this.#isOpen) this.#refused(hostname, codeOf(error), error, presented && claimedName(presented));
      return;
    }
    this.#handshakes.delete(tcp);
    this.#open.add(tcp);
    onHandshake("ok");
    try {
      await onConnection(connection, hostname);
    } catch (error) {
      log("warn", "node connection failed", { node: connection.peer.spiffeId, code: codeOf(error) });
    } finally {
      connection.stream.close();
    }
  }

  #refused(address: string, code: string, error?: unknown, claimed?: string): void {
    const { onHandshake, onRefused, log } = this.#options;
    const reason = error instanceof PosternError ? error.detail.reason : undefined;
    onHandshake(code);
    onRefused?.(code, address, claimed);
    log("warn", "node refused", {
      address,
      code,
      node: claimed,
      ...(typeof reason === "string" ? { reason } : {}),
    });
  }
}
