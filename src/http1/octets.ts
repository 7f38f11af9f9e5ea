/** The octets of HTTP/1.1 and which grammar each belongs to (RFC 9110 5.6.2 and 5.5, RFC 9112 2 and 3). */
import { Buffer } from "node:buffer";

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;

/** `tchar`: what a field name, a method or a connection option consists of. */
export const TOKEN = 1;
/** `field-vchar`, SP and HTAB: what a field value or a reason phrase consists of. Includes obs-text (0x80-0xff). */
export const VALUE = 2;
/**
 * What a request-target may hold: every visible ASCII octet except `#`. Wider than RFC 3986, because browsers send
 * `|`, `{`, `^` and the like unescaped; control octets, space, non-ASCII and fragments are refused.
 */
export const TARGET = 4;
/** `tchar` without lower-case letters: methods are case-sensitive and every registered one is in upper case. */
export const METHOD = 8;
/** Letters, digits and `-`: names without these only are looked at for lookalikes. */
export const PLAIN = 16;
/** `qdtext` and HTAB, SP: inside a quoted chunk-extension value (RFC 9110 5.6.4), without `"` and `\`. */
export const QUOTED = 32;

/** Class bits of each octet. */
export const CLASS: Uint8Array = buildClasses();
/** Value of each hexadecimal digit, 255 for all other octets. */
export const HEX: Uint8Array = buildHex();

/**
 * The octets `[start, end)` as a string of code units 0-255 (true ISO 8859-1; a TextDecoder of that label would decode
 * Windows-1252 and not survive the way back).
 */
export function latin1(buffer: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(buffer, start, end);
}

const buffers = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};
const latin1Slice = buffers.latin1Slice;

function buildClasses(): Uint8Array {
  const table = new Uint8Array(256);
  for (let octet = 0; octet < 256; octet++) {
    const text = String.fromCharCode(octet);
    const alphanumeric = /[A-Za-z0-9]/.test(text);
    let bits = 0;
    if (alphanumeric || "!#$%&'*+-.^_`|~".includes(text)) bits |= TOKEN;
    if (octet === HTAB || (octet >= 0x20 && octet !== 0x7f)) bits |= VALUE;
    if (octet > 0x20 && octet < 0x7f && text !== "#") bits |= TARGET;
    if ((bits & TOKEN) !== 0 && !/[a-z]/.test(text)) bits |= METHOD;
    if (alphanumeric || text === "-") bits |= PLAIN;
    if ((bits & VALUE) !== 0 && text !== '"' && text !== "\\") bits |= QUOTED;
    table[octet] = bits;
  }
  return table;
}

function buildHex(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 10; digit++) table[0x30 + digit] = digit;
  for (let digit = 10; digit < 16; digit++) table[0x41 + digit - 10] = table[0x61 + digit - 10] = digit;
  return table;
}
