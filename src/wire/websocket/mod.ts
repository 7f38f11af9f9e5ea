/** RFC 6455 without IO: framing of binary messages in the caller's buffer, and the upgrade handshake. */
export { type CloseStatus } from "./close.ts";
export { type FramingOptions, WebSocketFraming } from "./framing.ts";
export { createMask, type Mask } from "./mask.ts";
export { DEFAULT_MAX_MESSAGE_BYTES, RECEIVE_OVERHEAD_BYTES } from "./opcode.ts";
export { type ResponseHead, ResponseHeadReader } from "./response_head.ts";
export { upgradeRequest, UpgradeResponse } from "./upgrade_client.ts";
export { CARRIER_PROTOCOL, DEFAULT_CARRIER_PATH, upgradeAccept, upgradeKey } from "./upgrade_key.ts";
export { acceptWebSocket, type UpgradeRequestHead } from "./upgrade_server.ts";
