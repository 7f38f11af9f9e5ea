/** Heads as octets. Nothing that a parser could read as more than one line gets through. */
import { PosternError } from "../errors/mod.ts";
import type { HeaderList } from "./header_list.ts";
import { CLASS, METHOD, TARGET, TOKEN, VALUE, writeLatin1 } from "./octets.ts";
import type { OutgoingRequest } from "./request_head.ts";
import type { OutgoingResponse } from "./response_head.ts";

/** Units that no octet holds; writing would cut them to one, and U+010A to a line feed. */
// deno-lint-ignore no-control-regex
const WIDE = /[^\x00-\xff]/;

const encoder = new TextEncoder();

/** Octets of a request head. Throws `http_header_injection` for a part that cannot stand in its place. */
export function serializeRequestHead(head: OutgoingRequest): Uint8Array<ArrayBuffer> {
  const { method, target, headers } = head;
  const out = octetsOf(`${method} ${target} HTTP/1.${head.minor}\r\n${fieldLines(headers)}\r\n`);
  const targetAt = method.length + 1;
  if (!consistsOf(out, 0, method.length, METHOD)) throw injection("method");
  if (!consistsOf(out, targetAt, target.length, TARGET)) throw injection("target");
  checkFields(out, targetAt + target.length + LINE_REST, headers);
  return out;
}

/** Octets of a response head. Throws as {@link serializeRequestHead}. */
export function serializeResponseHead(head: OutgoingResponse): Uint8Array<ArrayBuffer> {
  const { status, reason, headers } = head;
  if (!Number.isInteger(status) || status < 100 || status > 999) throw injection("status");
  const out = octetsOf(`HTTP/1.${head.minor} ${status} ${reason}\r\n${fieldLines(headers)}\r\n`);
  if (reason !== "" && !consistsOf(out, REASON_AT, reason.length, VALUE)) throw injection("reason");
  checkFields(out, REASON_AT + reason.length + 2, headers);
  return out;
}

/** ` HTTP/1.1` and CRLF. */
const LINE_REST = 11;
/** `HTTP/1.1 200 ` */
const REASON_AT = 13;

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
  const octets = octetsOf(fieldLines(headers));
  checkFields(octets, 0, headers);
  out.set(octets, at);
  return at + octets.length;
}

function fieldLines(headers: HeaderList): string {
  let text = "";
  for (let at = 0; at < headers.length; at++) text += `${headers.nameAt(at)}: ${headers.valueAt(at)}\r\n`;
  return text;
}

/** One unit, one octet; so every part stands where the lengths of those before it put it. */
function octetsOf(text: string): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(text.length);
  // UTF-8 fits only when all is ASCII, and then it is the quickest way.
  if (encoder.encodeInto(text, out).read === text.length) return out;
  if (WIDE.test(text)) throw injection("text");
  writeLatin1(out, 0, text);
  return out;
}

/** Checks the octets written, part by part, against what may stand there. */
function checkFields(out: Uint8Array, start: number, headers: HeaderList): void {
  let at = start;
  for (let index = 0; index < headers.length; index++) {
    const nameLength = headers.nameAt(index).length;
    const valueLength = headers.valueAt(index).length;
    if (!consistsOf(out, at, nameLength, TOKEN)) throw injection("field name");
    at += nameLength + 2;
    if (valueLength > 0 && !consistsOf(out, at, valueLength, VALUE)) throw injection("field value");
    at += valueLength + 2;
  }
}

/** Whether `length` octets, at least one, are all of the class. */
function consistsOf(out: Uint8Array, start: number, length: number, bits: number): boolean {
  for (let at = start; at < start + length; at++) if ((CLASS[out[at]] & bits) === 0) return false;
  return length > 0;
}

function injection(part: string): PosternError {
  return new PosternError(
    "http_header_injection",
    `Cannot write head: its ${part} would break out of its place`,
  );
}
