/** The way out to edges and control: straight or through a proxy, with TLS or without. */
import type { ByteStream } from "../ports/mod.ts";
import { dialSocket, startTls } from "./dial.ts";
import { dialThroughProxy, type HttpProxy, type ProxyDialOptions } from "./http_proxy.ts";
import { overLoopback } from "./loopback_bridge.ts";
import type { TcpSocket } from "./network.ts";
import { TcpStream } from "./tcp_stream.ts";

/** The proxy to go through to this host, or undefined for the straight way. */
export type ProxyChooser = (host: string, port: number) => Promise<HttpProxy | undefined>;

/** Its signal gives the attempt up, and has no effect on a connection that stands. */
export interface EgressOptions extends ProxyDialOptions {
  /** PEM of authorities for the target, besides the machine's own. */
  readonly caCerts?: readonly string[];
  /** Always straight unless given. */
  readonly proxyFor?: ProxyChooser;
}

export interface EgressTarget {
  readonly tls: boolean;
  /** A name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Connects to the target. Every phase is bounded in time; whatever fails, no socket is left behind. Throws what
 * `dialSocket`, `startTls`, `dialThroughProxy` and the chooser throw.
 */
export async function openStream(target: EgressTarget, options: EgressOptions): Promise<ByteStream> {
  const { tls, host, port } = target;
  const proxy = await options.proxyFor?.(host, port);
  const socket = proxy === undefined
    ? await dialSocket(host, port, options)
    : await dialThroughProxy(proxy, host, port, options);
  if (!tls) return new TcpStream(socket);
  // The platform puts TLS on TCP sockets only, not on the TLS session with a proxy.
  const below = proxy?.tls ? await overLoopback(socket) : socket as TcpSocket;
  return new TcpStream(await startTls(below, host, { ...options, alpnProtocols: ["http/1.1"] }));
}
