import { utf8, utf8Decode } from "../../bytes/mod.ts";
import { MAX_CLOSE_REASON_BYTES } from "./opcode.ts";

/** Close codes this carrier sends or gives a meaning (RFC 6455 7.4.1 and the IANA registry). */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never on the wire: stands for a close frame without a code. */
  none: 1005,
  invalidPayload: 1007,
  policyViolation: 1008,
  tooLarge: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
} as const;

/** Whether a close frame may carry the code: 1004 to 1006 and 1015 are for local use, others are unassigned. */
function isWireCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** Why {@link readClose} refused a close frame. */
export type CloseFault = "length" | "code" | "reason";

/** What a close frame said. The reason is peer text: log it escaped, never branch on it. */
export interface CloseStatus {
  readonly code: number;
  readonly reason: string;
}

/** Reads the unmasked payload of a close frame, or says what is wrong with it (RFC 6455 5.5.1, 7.4, 8.1). */
export function readClose(payload: Uint8Array): CloseStatus | CloseFault {
  if (payload.length === 0) return { code: CloseCode.none, reason: "" };
  if (payload.length === 1) return "length";
  const code = payload[0] << 8 | payload[1];
  if (!isWireCloseCode(code)) return "code";
  try {
    return { code, reason: utf8Decode(payload.subarray(2)) };
  } catch {
    return "reason";
  }
}

/**
 * Payload of a close frame. A reason over 123 bytes is cut between two characters.
 * Throws RangeError for a code that may not be on the wire.
 */
export function closePayload(code: number, reason: string): Uint8Array<ArrayBuffer> {
  if (!isWireCloseCode(code)) throw new RangeError(`Cannot send close code ${code}: it is reserved`);
  let text = utf8(reason);
  if (text.length > MAX_CLOSE_REASON_BYTES) {
    let end = MAX_CLOSE_REASON_BYTES;
    while ((text[end] & 0xc0) === 0x80) end--;
    text = text.subarray(0, end);
  }
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >>> 8;
  payload[1] = code;
  payload.set(text, 2);
  return payload;
}
