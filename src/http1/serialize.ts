/** Heads as octets. Nothing that a parser could read as more than one line gets through. */
import { PosternError } from "../errors/mod.ts";
import { isToken } from "./head.ts";
import type { HeaderList } from "./header_list.ts";
import { writeLatin1 } from "./octets.ts";
import type { OutgoingRequest } from "./request_head.ts";
import type { OutgoingResponse } from "./response_head.ts";

/** A single class, so linear: any unit that is no field-vchar, SP, HTAB or obs-text, or is wider than an octet. */
const NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NOT_TARGET = /[^\x21\x22\x24-\x7e]/;

/** Octets of a request head. Throws `http_header_injection` for a part that cannot stand in its place. */
export function serializeRequestHead(head: OutgoingRequest): Uint8Array<ArrayBuffer> {
  if (!isToken(head.method)) throw injection("method");
  if (head.target === "" || NOT_TARGET.test(head.target)) throw injection("target");
  return serialize(`${head.method} ${head.target} HTTP/1.${head.minor}\r\n`, head.headers);
}

/** Octets of a response head. Throws as {@link serializeRequestHead}. */
export function serializeResponseHead(head: OutgoingResponse): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(head.status) || head.status < 100 || head.status > 999) throw injection("status");
  if (NOT_VALUE.test(head.reason)) throw injection("reason");
  return serialize(`HTTP/1.${head.minor} ${head.status} ${head.reason}\r\n`, head.headers);
}

function serialize(line: string, headers: HeaderList): Uint8Array<ArrayBuffer> {
  const text = `${line}${fieldLines(headers)}\r\n`;
  const out = new Uint8Array(text.length);
  writeLatin1(out, 0, text);
  return out;
}

/** Octets that {@link writeFields} takes. */
export function fieldsLength(headers: HeaderList): number {
  return fieldLines(headers).length;
}

/** Writes field lines at `at`, without the empty line; returns the offset behind them. */
export function writeFields(out: Uint8Array, at: number, headers: HeaderList): number {
  return writeLatin1(out, at, fieldLines(headers));
}

function fieldLines(headers: HeaderList): string {
  let text = "";
  for (let at = 0; at < headers.length; at++) {
    const name = headers.nameAt(at);
    const value = headers.valueAt(at);
    if (!isToken(name)) throw injection("field name");
    if (NOT_VALUE.test(value)) throw injection("field value");
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

function injection(part: string): PosternError {
  return new PosternError(
    "http_header_injection",
    `Cannot write head: its ${part} would break out of its place`,
  );
}
