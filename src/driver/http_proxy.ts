import { formatHostPort, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { ResponseHeadReader } from "../wire/websocket/mod.ts";
import { type DialOptions, dialSocket, startTls } from "./dial.ts";
import type { Socket } from "./network.ts";
import { within } from "./phase.ts";
import { TcpStream, writeAll } from "./tcp_stream.ts";

/** Time for the proxy to connect and answer. */
const DEFAULT_PROXY_TIMEOUT_MS = 10_000;

/** A proxy that is asked by CONNECT. Credentials are secret: they appear in no error. */
export interface HttpProxy {
  /** Whether the proxy itself is spoken to over TLS. */
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization, or undefined. */
  readonly authorization?: string;
  /** PEM of authorities for the proxy's own certificate, besides the machine's. */
  readonly caCerts?: readonly string[];
}

/**
 * Reads `http://host[:port]` or `https://host[:port]`, and `user:password` for the Basic scheme (RFC 7617). Throws
 * `proxy_url_invalid`, also for credentials in the URL, and `proxy_credentials_invalid`; neither repeats what it was given.
 */
export function parseProxyUrl(text: string, credentials?: string): HttpProxy {
  const url = URL.parse(text);
  const tls = url?.protocol === "https:";
  if (
    !url || !tls && url.protocol !== "http:" || url.hostname === "" || url.pathname !== "/" || url.search ||
    url.hash
  ) {
    throw new PosternError(
      "proxy_url_invalid",
      "Cannot use the proxy: its URL is neither http://host:port nor https://host:port",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new PosternError(
      "proxy_url_invalid",
      "Cannot use the proxy: credentials do not belong into its URL",
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (tls ? 443 : 80) : Number(url.port);
  if (credentials === undefined) return { tls, host, port };
  // deno-lint-ignore no-control-regex -- a control character would break out of the header
  if (credentials.indexOf(":") < 1 || /[\x00-\x1f\x7f]/.test(credentials)) {
    throw new PosternError("proxy_credentials_invalid");
  }
  return { tls, host, port, authorization: `Basic ${utf8(credentials).toBase64()}` };
}

export interface ProxyDialOptions extends DialOptions {
  /** Time for the proxy to connect and answer; {@link DEFAULT_PROXY_TIMEOUT_MS} unless given. */
  readonly proxyTimeoutMs?: number;
  /** Time for the TLS handshake with the proxy. */
  readonly tlsTimeoutMs?: number;
}

/**
 * Connects to `host:port` through the proxy by CONNECT (RFC 9110 9.3.6); the proxy resolves the name.
 * Throws what {@link dialSocket} and {@link startTls} throw for the proxy itself, `proxy_auth_required`, `proxy_refused`,
 * `proxy_response_invalid` or `proxy_timeout`.
 */
export async function dialThroughProxy(
  proxy: HttpProxy,
  host: string,
  port: number,
  options: ProxyDialOptions,
): Promise<Socket> {
  const plain = await dialSocket(proxy.host, proxy.port, options);
  const socket: Socket = proxy.tls
    ? await startTls(plain, proxy.host, {
      ...options,
      caCerts: proxy.caCerts,
      alpnProtocols: ["http/1.1"],
    })
    : plain;
  const stream = new TcpStream(socket);
  const target = formatHostPort(host, port);
  const timeoutMs = options.proxyTimeoutMs ?? DEFAULT_PROXY_TIMEOUT_MS;
  try {
    await within({
      clock: options.clock,
      timeoutMs,
      signal: options.signal,
      stop: () => stream.close(),
      late: () =>
        new PosternError(
          "proxy_timeout",
          `Cannot connect to ${target} through the proxy: no answer within ${timeoutMs} ms`,
        ),
    }, async () => {
      const authorization = proxy.authorization ? `Proxy-Authorization: ${proxy.authorization}\r\n` : "";
      await writeAll(stream, utf8(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`));
      await readConnectResponse(stream, target);
    });
  } catch (error) {
    stream.close();
    throw error;
  }
  return socket;
}

async function readConnectResponse(stream: TcpStream, target: string): Promise<void> {
  const code = "proxy_response_invalid";
  const reader = new ResponseHeadReader({ tooLarge: code, invalid: code });
  const chunk = new Uint8Array(4096);
  for (;;) {
    const bytes = await stream.read(chunk);
    if (bytes === null) {
      throw new PosternError(code, `Cannot connect to ${target} through the proxy: it closed the connection`);
    }
    const result = reader.push(chunk.subarray(0, bytes));
    if (!result) continue;
    const { status } = result.head;
    // 401 is an origin's answer; tinyproxy gives it to credentials that are wrong.
    if (status === 407 || status === 401) {
      throw new PosternError(
        "proxy_auth_required",
        `Cannot connect to ${target}: the proxy demands credentials`,
      );
    }
    if (status < 200 || status > 299) {
      throw new PosternError(
        "proxy_refused",
        `Cannot connect to ${target}: the proxy answered with status ${status}`,
        {
          detail: { status },
        },
      );
    }
    // The far end speaks second, so nothing can have come from it yet.
    if (result.taken !== bytes) {
      throw new PosternError(
        code,
        `Cannot connect to ${target} through the proxy: unexpected bytes after its answer`,
      );
    }
    return;
  }
}
