import { formatHostPort, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { ResponseHeadReader } from "../wire/websocket/mod.ts";
import { type DialOptions, dialSocket } from "./dial.ts";
import type { TcpSocket } from "./network.ts";
import { within } from "./phase.ts";
import { TcpStream, writeAll } from "./tcp_stream.ts";

/** Time for the proxy to connect and answer. */
const defaultProxyTimeoutMs = 10_000;

/** An HTTP proxy. Credentials are secret: they appear in no error. */
export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization, or undefined. */
  readonly authorization?: string;
}

/** Reads `http://[user:password@]host[:port]`. Throws `proxy_url_invalid`, which does not repeat the URL. */
export function parseProxyUrl(text: string): HttpProxy {
  const url = URL.parse(text);
  if (
    !url || url.protocol !== "http:" || url.hostname === "" || url.pathname !== "/" || url.search || url.hash
  ) {
    throw new PosternError("proxy_url_invalid", "Cannot use the proxy: its URL is not http://host:port");
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? 80 : Number(url.port);
  if (url.username === "" && url.password === "") return { host, port };
  try {
    const credentials = utf8(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`);
    return { host, port, authorization: `Basic ${credentials.toBase64()}` };
  } catch {
    throw new PosternError(
      "proxy_url_invalid",
      "Cannot use the proxy: its credentials are not percent-encoded",
    );
  }
}

/**
 * Connects to `host:port` through the proxy by CONNECT (RFC 9110 9.3.6); the proxy resolves the name.
 * Throws what {@link dialSocket} throws for the proxy itself, `proxy_auth_required`, `proxy_refused`,
 * `proxy_response_invalid` or `proxy_timeout`.
 */
export async function dialThroughProxy(
  proxy: HttpProxy,
  host: string,
  port: number,
  options: DialOptions & { readonly proxyTimeoutMs?: number },
): Promise<TcpSocket> {
  const socket = await dialSocket(proxy.host, proxy.port, options);
  const stream = new TcpStream(socket);
  const target = formatHostPort(host, port);
  const timeoutMs = options.proxyTimeoutMs ?? defaultProxyTimeoutMs;
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
    if (status === 407) {
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
