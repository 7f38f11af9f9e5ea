/** What the driver asks of the platform's sockets, so that tests can put their own in place. */
import { lookup } from "node:dns/promises";

/** The part of `Deno.Conn` that streams use. */
export interface Socket {
  read(into: Uint8Array): Promise<number | null>;
  write(from: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  readonly remoteAddr: Deno.Addr;
  readonly localAddr?: Deno.Addr;
}

/** A plain TCP socket, as of `Deno.connect` and `Deno.listen`. */
export interface TcpSocket extends Socket {
  setNoDelay(on: boolean): void;
}

/** A TLS session on a socket; it has no switch for NODELAY, which must be set on the socket below before. */
export interface TlsSocket extends Socket {
  handshake(): Promise<{ readonly alpnProtocol: string | null }>;
}

export interface TlsClientOptions {
  readonly hostname: string;
  readonly caCerts?: string[];
  readonly alpnProtocols: string[];
}

/** Opens sockets. */
export interface Network {
  /**
   * Addresses of a name, of both families, in the order in which the system prefers them (RFC 6724); at least one.
   * Rejects when the name has none.
   */
  resolve(hostname: string): Promise<readonly string[]>;
  /** Connects to an address; gives up, and leaves nothing behind, when the signal aborts. */
  connect(options: { hostname: string; port: number; signal: AbortSignal }): Promise<TcpSocket>;
  /** Takes over the socket. Client certificates have no place here: `Deno.startTls` ignores them silently. */
  startTls(socket: TcpSocket, options: TlsClientOptions): Promise<TlsSocket>;
}

/**
 * Deno's sockets. Names are resolved by the system's own resolver, hosts file included, which `Deno.resolveDns` would go
 * past.
 */
export const systemNetwork: Network = {
  async resolve(hostname) {
    const found = await lookup(hostname, { all: true, order: "verbatim" });
    return found.map(({ address }) => address);
  },
  connect: (options) => Deno.connect(options),
  startTls: (socket, options) => Deno.startTls(socket as unknown as Deno.TcpConn, options),
};
