import { formatHostPort } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ByteStream, Random } from "../ports/mod.ts";
import {
  DEFAULT_CARRIER_PATH,
  type FramingOptions,
  upgradeKey,
  upgradeRequest,
  UpgradeResponse,
  WebSocketFraming,
} from "../wire/websocket/mod.ts";
import { type EgressOptions, type EgressTarget, openStream } from "./egress.ts";
import { within } from "./phase.ts";
import { writeAll } from "./tcp_stream.ts";
import { DEFAULT_UPGRADE_TIMEOUT_MS, type WebSocketConnection } from "./websocket_connection.ts";

export interface WebSocketClientOptions extends FramingOptions, EgressOptions {
  readonly random: Random;
  /** Gives the attempt up; has no effect on a connection that stands. */
  readonly signal?: AbortSignal;
  /** Path of the upgrade where the URL has none; {@link DEFAULT_CARRIER_PATH} unless given. */
  readonly path?: string;
  /** Token for the header `Authorization: Bearer`. Secret: for `wss:`, or for a machine of one's own. */
  readonly bearer?: string;
  /** Time for the upgrade; {@link DEFAULT_UPGRADE_TIMEOUT_MS} unless given. */
  readonly upgradeTimeoutMs?: number;
}

/** Where a carrier URL points to. */
interface Target extends EgressTarget {
  readonly authority: string;
  readonly path: string;
}

/**
 * Opens a WebSocket to an edge: dials (through the proxy if there is one), TLS for `wss:`, upgrade. Every phase is
 * bounded in time; whatever fails, no socket is left behind. Redirects are not followed.
 *
 * Throws what dialling, TLS and proxies throw ({@link openStream}), and `websocket_url_invalid`, `websocket_upgrade_timeout`,
 * `websocket_response_invalid`, `websocket_head_too_large`, `websocket_redirected`, `websocket_refused`,
 * `websocket_unavailable`. The last three have `status` in their detail, and `retry_after_ms`, `peer_code`,
 * `peer_title` if the peer stated them.
 */
export async function connectWebSocket(
  url: string,
  options: WebSocketClientOptions,
): Promise<WebSocketConnection> {
  const target = parseTarget(url, options.path ?? DEFAULT_CARRIER_PATH);
  const stream = await openStream(target, options);
  try {
    const leftover = await upgrade(stream, target, options);
    return { stream, framing: WebSocketFraming.client(options.random, options), leftover };
  } catch (error) {
    stream.close();
    throw error;
  }
}

function upgrade(stream: ByteStream, target: Target, options: WebSocketClientOptions): Promise<Uint8Array> {
  const timeoutMs = options.upgradeTimeoutMs ?? DEFAULT_UPGRADE_TIMEOUT_MS;
  const key = upgradeKey(options.random);
  const response = new UpgradeResponse(key, options.clock.wall());
  return within({
    clock: options.clock,
    timeoutMs,
    signal: options.signal,
    stop: () => stream.close(),
    late: () => lateError(response, target.authority, timeoutMs),
  }, async () => {
    await writeAll(stream, upgradeRequest(target.authority, target.path, key, options.bearer));
    const chunk = new Uint8Array(4096);
    for (;;) {
      const bytes = await stream.read(chunk).catch((error) => {
        // A refusal whose connection is then reset is still a refusal.
        if (response.isRefused) return null;
        throw error;
      });
      if (bytes === null) return response.end();
      const leftover = response.push(chunk.subarray(0, bytes));
      if (leftover) return leftover;
    }
  });
}

/** A refusal whose body does not come is reported as what it is. */
function lateError(response: UpgradeResponse, authority: string, timeoutMs: number): Error {
  if (response.isRefused) {
    try {
      response.end();
    } catch (error) {
      return error as Error;
    }
  }
  return new PosternError(
    "websocket_upgrade_timeout",
    `Cannot open the WebSocket to ${authority}: no answer within ${timeoutMs} ms`,
  );
}

function parseTarget(text: string, defaultPath: string): Target {
  const url = URL.parse(text);
  const invalid = (state: string) =>
    new PosternError("websocket_url_invalid", `Cannot use the edge's URL: ${state}`);
  if (!url) throw invalid("it is malformed");
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw invalid("it is neither ws:// nor wss://");
  if (url.username !== "" || url.password !== "") throw invalid("credentials do not belong there");
  if (url.search !== "" || url.hash !== "") throw invalid("it has a query or a fragment");
  const tls = url.protocol === "wss:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (tls ? 443 : 80) : Number(url.port);
  const path = url.pathname === "/" ? defaultPath : url.pathname;
  return { tls, host, port, authority: url.port === "" ? url.hostname : formatHostPort(host, port), path };
}
