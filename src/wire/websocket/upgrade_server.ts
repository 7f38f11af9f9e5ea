import { utf8 } from "../../bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../errors/mod.ts";
import { CARRIER_PROTOCOL, hasToken, isUpgradeKey, upgradeAccept, WEBSOCKET_VERSION } from "./upgrade_key.ts";

/** A request head as its parser left it. */
export interface UpgradeRequestHead {
  readonly method: string;
  /** Such as `1.1`. */
  readonly httpVersion: string;
  /** Value of a header by lower-case name, several of one name joined by commas; null or undefined if absent. */
  header(name: string): string | null | undefined;
}

/**
 * Judges an upgrade request (RFC 6455 4.2.1) and returns the bytes of the 101 response.
 *
 * Throws `websocket_upgrade_required` (426), `websocket_version_unsupported` (426), `websocket_upgrade_invalid` (400)
 * or `websocket_protocol_missing` (400); answer with that status. Path, Host, Origin and rate are the caller's to judge. No extension is ever accepted.
 */
export function acceptWebSocket(head: UpgradeRequestHead): Uint8Array<ArrayBuffer> {
  const header = (name: string) => head.header(name) ?? "";
  if (!hasToken(header("upgrade"), "websocket")) {
    throw refuse("websocket_upgrade_required", "the request does not ask for an upgrade to websocket");
  }
  const invalid = (state: string) => refuse("websocket_upgrade_invalid", state);
  if (head.method !== "GET") throw invalid("the method is not GET");
  if (head.httpVersion !== "1.1") throw invalid("the request is not HTTP/1.1");
  if (!hasToken(header("connection"), "upgrade")) throw invalid("its Connection header does not say upgrade");
  if (header("host") === "") throw invalid("it has no Host header");
  // A body in front of the frames would be read as frames by one and as a body by another.
  if (header("transfer-encoding") !== "" || !/^0?$/.test(header("content-length"))) {
    throw invalid("it has a body");
  }
  if (header("sec-websocket-version") !== WEBSOCKET_VERSION) {
    throw refuse("websocket_version_unsupported", `its version is not ${WEBSOCKET_VERSION}`);
  }
  const key = header("sec-websocket-key");
  if (!isUpgradeKey(key)) throw invalid("its Sec-WebSocket-Key is not base64 of 16 bytes");
  if (!hasToken(header("sec-websocket-protocol"), CARRIER_PROTOCOL)) {
    throw refuse("websocket_protocol_missing", `it does not offer ${CARRIER_PROTOCOL}`);
  }
  return utf8(
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${upgradeAccept(key)}\r\n` +
      `Sec-WebSocket-Protocol: ${CARRIER_PROTOCOL}\r\n` +
      "\r\n",
  );
}

function refuse(code: ErrorCode, state: string): PosternError {
  return new PosternError(code, `Cannot accept the WebSocket: ${state}`);
}
