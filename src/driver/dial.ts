import { badAuthorities, holdsCertificates } from "./authorities.ts";
import { formatHostPort } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ByteStream, Clock } from "../ports/mod.ts";
import { attemptOrder, isAddress, raceAddresses } from "./happy_eyeballs.ts";
import { type Network, systemNetwork, type TcpSocket, type TlsSocket } from "./network.ts";
import { connectError, tlsError } from "./network_error.ts";
import { within } from "./phase.ts";
import { TcpStream } from "./tcp_stream.ts";

/** Time for a TCP connection, all addresses of the name together. */
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
/** Time for a TLS handshake. */
const DEFAULT_TLS_TIMEOUT_MS = 10_000;

export interface DialOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** {@link DEFAULT_CONNECT_TIMEOUT_MS} unless given. */
  readonly connectTimeoutMs?: number;
  /** Deno's own unless given. */
  readonly network?: Network;
}

/**
 * Connects to the first address of the host that answers (RFC 8305) and sets NODELAY. Throws `dns_failed`, `connect_refused`, `connect_timeout`, `connect_failed` or
 * `connect_aborted`. `localhost` and names below it mean this machine, without asking DNS (RFC 6761 6.3).
 */
export async function dialTcp(host: string, port: number, options: DialOptions): Promise<ByteStream> {
  return new TcpStream(await dialSocket(host, port, options));
}

/** As {@link dialTcp}, for those who put TLS on top. */
export function dialSocket(host: string, port: number, options: DialOptions): Promise<TcpSocket> {
  const target = formatHostPort(host, port);
  const network = options.network ?? systemNetwork;
  const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const stopped = new AbortController();
  return within({
    clock: options.clock,
    timeoutMs,
    signal: options.signal,
    stop: () => stopped.abort(),
    late: () =>
      new PosternError("connect_timeout", `Cannot connect to ${target}: no answer within ${timeoutMs} ms`, {
        detail: { target },
      }),
  }, async () => {
    const { signal } = stopped;
    try {
      const addresses = attemptOrder(await addressesOf(host, network));
      signal.throwIfAborted();
      const socket = await raceAddresses(addresses, {
        clock: options.clock,
        signal,
        attempt: (hostname, signal) => network.connect({ hostname, port, signal }),
        discard: closeQuietly,
      });
      if (signal.aborted) socket.close();
      else socket.setNoDelay(true);
      return socket;
    } catch (error) {
      throw connectError(error, target);
    }
  });
}

function addressesOf(host: string, network: Network): readonly string[] | Promise<readonly string[]> {
  if (/(^|\.)localhost\.?$/i.test(host)) return ["127.0.0.1", "::1"];
  return isAddress(host) ? [host] : network.resolve(host);
}

export interface TlsDialOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** {@link DEFAULT_TLS_TIMEOUT_MS} unless given. */
  readonly tlsTimeoutMs?: number;
  /** PEM, trusted besides the machine's own authorities. */
  readonly caCerts?: readonly string[];
  readonly alpnProtocols: readonly string[];
  readonly network?: Network;
}

/**
 * Puts TLS on a dialled socket and finishes the handshake; the socket is used up, also by a failure.
 * Throws `certificate_invalid`, `tls_handshake_failed`, `tls_timeout`, `ca_certificates_invalid` or `connect_aborted`.
 * There is no client certificate: `Deno.startTls` would ignore it silently.
 */
export async function startTls(
  socket: TcpSocket,
  hostname: string,
  options: TlsDialOptions,
): Promise<TlsSocket> {
  const network = options.network ?? systemNetwork;
  const timeoutMs = options.tlsTimeoutMs ?? DEFAULT_TLS_TIMEOUT_MS;
  const caCerts = [...options.caCerts ?? []];
  // Deno ignores text without any certificate in it, and would go on without the authority.
  if (!caCerts.every(holdsCertificates)) {
    socket.close();
    throw badAuthorities();
  }
  let tls: TlsSocket;
  try {
    tls = await network.startTls(socket, { hostname, caCerts, alpnProtocols: [...options.alpnProtocols] });
  } catch (error) {
    closeQuietly(socket);
    if (/certificate|PEM/i.test(String(error))) throw badAuthorities(error);
    throw tlsError(error, hostname);
  }
  try {
    await within({
      clock: options.clock,
      timeoutMs,
      signal: options.signal,
      stop: () => closeQuietly(tls),
      late: () =>
        new PosternError(
          "tls_timeout",
          `Cannot speak TLS with ${hostname}: no answer within ${timeoutMs} ms`,
          {
            detail: { target: hostname },
          },
        ),
    }, async () => {
      try {
        await tls.handshake();
      } catch (error) {
        throw tlsError(error, hostname);
      }
    });
  } catch (error) {
    closeQuietly(tls);
    throw error;
  }
  return tls;
}

function closeQuietly(socket: { close(): void }): void {
  try {
    socket.close();
  } catch {
    // Closed or used up already.
  }
}
