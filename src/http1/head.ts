/** What request and response heads share: which field lines decide framing and connection, and what they may say. */
import { PosternError } from "../errors/mod.ts";
import type { HeaderList } from "./header_list.ts";
import { CLASS, TOKEN } from "./octets.ts";

/** Facts that the control fields of a head state, checked against each other. */
export interface ControlFields {
  /** Declared Content-Length, or null. */
  readonly contentLength: number | null;
  /** Whether Transfer-Encoding says `chunked`. */
  readonly chunked: boolean;
  /** Connection options in lower case. */
  readonly connection: readonly string[];
}

/** Minor version of HTTP/1. */
export type Minor = 0 | 1;

const NO_OPTIONS: readonly string[] = Object.freeze([]);

/** Fields that frame or route a message; who nominates one as hop-by-hop wants the next hop to misread it. */
const NEVER_HOP_BY_HOP = new Set(["content-length", "transfer-encoding", "host"]);

/** Reads Content-Length, Transfer-Encoding and Connection (RFC 9112 6 and 9.1), refusing every ambiguity. */
export function controlFields(headers: HeaderList, minor: Minor): ControlFields {
  let length: string | null = null;
  let coding: string | null = null;
  let connection: string[] | null = null;
  for (let at = 0; at < headers.length; at++) {
    switch (headers.keyAt(at)) {
      case "content-length":
        if (length !== null) {
          throw new PosternError("http_conflicting_framing", "Cannot read head: Content-Length is repeated");
        }
        length = headers.valueAt(at);
        break;
      case "transfer-encoding":
        if (coding !== null) throw badCoding("it is repeated");
        coding = headers.valueAt(at);
        break;
      case "connection":
        addOptions(connection ??= [], headers.valueAt(at));
        break;
    }
  }
  if (coding !== null) {
    if (length !== null) {
      throw new PosternError(
        "http_conflicting_framing",
        "Cannot read head: it has both Content-Length and Transfer-Encoding",
      );
    }
    if (minor === 0) throw badCoding("HTTP/1.0 has none");
    checkCoding(coding);
  }
  return {
    contentLength: length === null ? null : parseContentLength(length),
    chunked: coding !== null,
    connection: connection ?? NO_OPTIONS,
  };
}

/** Whether the sender will keep the connection after this message (RFC 9112 9.3). */
export function keepsAlive(connection: readonly string[], minor: Minor): boolean {
  if (connection.includes("close")) return false;
  return minor === 1 || connection.includes("keep-alive");
}

/** Whether `text` is a token (RFC 9110 5.6.2). */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 255 || (CLASS[unit] & TOKEN) === 0) return false;
  }
  return text.length > 0;
}

/** Elements of a comma-separated list without surrounding white space; empty ones are dropped (RFC 9110 5.6.1). */
export function listElements(value: string): string[] {
  const elements: string[] = [];
  for (const part of value.split(",")) {
    const element = trimBlanks(part);
    if (element !== "") elements.push(element);
  }
  return elements;
}

/** Without SP and HTAB at both ends; String.trim would take obs-text 0xa0 as well. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
}

function addOptions(options: string[], value: string): void {
  for (const element of listElements(value)) {
    if (!isToken(element)) {
      throw new PosternError("http_bad_connection", "Cannot read head: a Connection option is no token");
    }
    const option = element.toLowerCase();
    if (NEVER_HOP_BY_HOP.has(option)) {
      throw new PosternError("http_bad_connection", `Cannot read head: Connection nominates ${option}`);
    }
    options.push(option);
  }
}

/** Digits only, no sign, no list, no leading zero, and exact as a number. */
function parseContentLength(text: string): number {
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) throw badLength("it is not a number of digits only");
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) throw badLength("it is beyond 2^53 - 1");
  }
  if (text === "") throw badLength("it is empty");
  if (text.length > 1 && text.charCodeAt(0) === 0x30) throw badLength("it has a leading zero");
  return value;
}

/** Names of codings that RFC 9112 7 registers besides chunked. */
const OTHER_CODINGS = new Set(["gzip", "x-gzip", "deflate", "compress", "x-compress"]);

function checkCoding(value: string): void {
  const codings = value.toLowerCase();
  if (codings === "chunked") return;
  const elements = listElements(codings);
  const last = elements.pop();
  if (last === "chunked" && elements.length > 0 && elements.every((coding) => OTHER_CODINGS.has(coding))) {
    throw new PosternError("http_unsupported_transfer_encoding");
  }
  throw badCoding("it is not `chunked`");
}

function badLength(why: string): PosternError {
  return new PosternError("http_bad_content_length", `Cannot read Content-Length: ${why}`);
}

function badCoding(why: string): PosternError {
  return new PosternError("http_bad_transfer_encoding", `Cannot read Transfer-Encoding: ${why}`);
}
