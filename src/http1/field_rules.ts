/** Fields by somebody's rule rather than from a message: the same grammar, and names that no rule may touch. */
import { gatewayName } from "./fields.ts";
import { CLASS, TOKEN, VALUE } from "./octets.ts";

/** A field name (RFC 9110 5.1). */
export function isFieldName(text: string): boolean {
  return text !== "" && every(text, TOKEN);
}

/** A field value without white space at its ends (RFC 9110 5.5): code units 0-255, one an octet. */
export function isFieldValue(text: string): boolean {
  return !/^[ \t]|[ \t]$/.test(text) && every(text, VALUE);
}

/** Framing, fields of one connection, those that route, and those that an upgrade depends on. */
const MANAGED = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-request-id",
]);

/** Whether only Postern itself says this field, by the name that a CGI-like reader would see. */
export function isManagedField(name: string): boolean {
  const seen = gatewayName(name.toLowerCase());
  return MANAGED.has(seen) || /^(x-forwarded|x-postern|sec-websocket)-/.test(seen);
}

function every(text: string, bit: number): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0xff || (CLASS[unit] & bit) === 0) return false;
  }
  return true;
}
