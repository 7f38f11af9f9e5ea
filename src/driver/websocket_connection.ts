import type { ByteStream } from "../ports/mod.ts";
import type { WebSocketFraming } from "../wire/websocket/mod.ts";

/** A WebSocket whose upgrade is done. Whoever holds it pumps frames and closes the stream. */
export interface WebSocketConnection {
  readonly stream: ByteStream;
  readonly framing: WebSocketFraming;
  /** Bytes that came right behind the upgrade: the first frames. To be parsed before anything is read. */
  readonly leftover: Uint8Array;
}

/** Time for the upgrade handshake. */
export const DEFAULT_UPGRADE_TIMEOUT_MS = 10_000;
