import { createHash } from "node:crypto";
import type { Random } from "../../ports/mod.ts";

/** The path at which edges answer carriers. */
export const DEFAULT_CARRIER_PATH = "/_postern/channel";
/** The subprotocol that both ends must name. */
export const CARRIER_PROTOCOL = "postern.v1";
/** The one version of RFC 6455. */
export const WEBSOCKET_VERSION = "13";

/** Bytes of entropy in a Sec-WebSocket-Key (RFC 6455 4.1). */
const KEY_BYTES = 16;
/** Fixed by RFC 6455 1.3. */
const acceptGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A fresh Sec-WebSocket-Key: base64 of 16 random bytes. */
export function upgradeKey(random: Random): string {
  return random(KEY_BYTES).toBase64();
}

/** Whether the text is base64 of exactly 16 bytes. */
export function isUpgradeKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(text);
}

/** The Sec-WebSocket-Accept for a key (RFC 6455 4.2.2). SHA-1 is a fixed part of the protocol, not a protection. */
export function upgradeAccept(key: string): string {
  return createHash("sha1").update(key + acceptGuid).digest("base64");
}

/** Whether a comma-separated header value names the token, without regard to case. */
export function hasToken(value: string, token: string): boolean {
  return value.split(",").some((part) => part.trim().toLowerCase() === token);
}
