/** Heads as octets. Nothing that a parser could read as more than one line gets through. */
import { PosternError } from "../errors/mod.ts";
import type { HeaderList } from "./header_list.ts";
import { CLASS, COLON, CR, LF, METHOD, SP, TARGET, TOKEN, VALUE } from "./octets.ts";
import type { OutgoingRequest } from "./request_head.ts";
import type { OutgoingResponse } from "./response_head.ts";

/** Octets of a request head. Throws `http_header_injection` for a part that cannot stand in its place. */
export function serializeRequestHead(head: OutgoingRequest): Uint8Array<ArrayBuffer> {
  const { method, target, headers } = head;
  const out = new Uint8Array(method.length + target.length + REQUEST_LINE_REST + fieldsLength(headers) + 2);
  let at = writeOctets(out, 0, method, METHOD);
  if (at <= 0) throw injection("method");
  out[at++] = SP;
  const targetAt = at;
  at = writeOctets(out, at, target, TARGET);
  if (at <= targetAt) throw injection("target");
  at = writeText(out, at, ` HTTP/1.${head.minor}\r\n`);
  writeText(out, writeFields(out, at, headers), "\r\n");
  return out;
}

/** Octets of a response head. Throws as {@link serializeRequestHead}. */
export function serializeResponseHead(head: OutgoingResponse): Uint8Array<ArrayBuffer> {
  const { status, reason, headers } = head;
  if (!Number.isInteger(status) || status < 100 || status > 999) throw injection("status");
  const out = new Uint8Array(STATUS_LINE_REST + reason.length + fieldsLength(headers) + 2);
  let at = writeText(out, 0, `HTTP/1.${head.minor} ${status} `);
  at = writeOctets(out, at, reason, VALUE);
  if (at < 0) throw injection("reason");
  at = writeText(out, at, "\r\n");
  writeText(out, writeFields(out, at, headers), "\r\n");
  return out;
}

/** SP, ` HTTP/1.1` and CRLF. */
const REQUEST_LINE_REST = 12;
/** `HTTP/1.1 200 ` and CRLF. */
const STATUS_LINE_REST = 15;

/** Octets that {@link writeFields} takes. */
export function fieldsLength(headers: HeaderList): number {
  let length = 0;
  for (let at = 0; at < headers.length; at++) {
    length += headers.nameAt(at).length + headers.valueAt(at).length + 4;
  }
  return length;
}

/** Writes field lines at `at`, without the empty line; returns the offset behind them. Throws `http_header_injection`. */
export function writeFields(out: Uint8Array, at: number, headers: HeaderList): number {
  for (let index = 0; index < headers.length; index++) {
    const nameAt = at;
    at = writeOctets(out, at, headers.nameAt(index), TOKEN);
    if (at <= nameAt) throw injection("field name");
    out[at++] = COLON;
    out[at++] = SP;
    at = writeOctets(out, at, headers.valueAt(index), VALUE);
    if (at < 0) throw injection("field value");
    out[at++] = CR;
    out[at++] = LF;
  }
  return at;
}

/** Writes text that is this file's own. */
function writeText(out: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) out[at++] = text.charCodeAt(index);
  return at;
}

/**
 * Writes a part and judges it on the way: one unit, one octet, and every one of the class. The offset behind it, or -1. A
 * unit above 255 is of no class; written it would be cut to an octet, and U+010A to a line feed.
 */
function writeOctets(out: Uint8Array, at: number, text: string, bits: number): number {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 255 || (CLASS[unit] & bits) === 0) return -1;
    out[at++] = unit;
  }
  return at;
}

function injection(part: string): PosternError {
  return new PosternError(
    "http_header_injection",
    `Cannot write head: its ${part} would break out of its place`,
  );
}
