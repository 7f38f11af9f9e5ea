import { PosternError } from "../errors/mod.ts";
import type { ByteStream, Clock } from "../ports/mod.ts";
import {
  acceptWebSocket,
  type FramingOptions,
  type UpgradeRequestHead,
  WebSocketFraming,
} from "../wire/websocket/mod.ts";
import { within } from "./phase.ts";
import { writeAll } from "./tcp_stream.ts";
import { DEFAULT_UPGRADE_TIMEOUT_MS, type WebSocketConnection } from "./websocket_connection.ts";

export interface WebSocketServerOptions extends FramingOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Time for the response to be written; 10 s unless given. */
  readonly upgradeTimeoutMs?: number;
}

/**
 * Grants an upgrade on a stream whose request head was read; `leftover` is what came behind that head.
 *
 * A request that may not be upgraded throws before anything is written, with the status in `facts.status` (see
 * `acceptWebSocket`): answer it. When the response cannot be written the stream is closed
 * and `websocket_upgrade_timeout`, `connect_aborted` or the stream's own error is thrown.
 */
export async function acceptWebSocketStream(
  stream: ByteStream,
  head: UpgradeRequestHead,
  leftover: Uint8Array,
  options: WebSocketServerOptions,
): Promise<WebSocketConnection> {
  const response = acceptWebSocket(head);
  const framing = WebSocketFraming.server(options);
  const timeoutMs = options.upgradeTimeoutMs ?? DEFAULT_UPGRADE_TIMEOUT_MS;
  try {
    await within({
      clock: options.clock,
      timeoutMs,
      signal: options.signal,
      stop: () => stream.close(),
      late: () =>
        new PosternError(
          "websocket_upgrade_timeout",
          `Cannot accept the WebSocket of ${stream.remoteAddress}: it does not read the answer within ${timeoutMs} ms`,
        ),
    }, () => writeAll(stream, response));
  } catch (error) {
    stream.close();
    throw error;
  }
  return { stream, framing, leftover };
}
