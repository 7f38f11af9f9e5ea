/** Response heads as the agent and the edge accept them from origins (RFC 9112 4, 6). */
import { codeOf, PosternError } from "../errors/mod.ts";
import { bareLineEnding, INCOMPLETE, scanFields, scannedFields } from "./fields.ts";
import { controlFields, type Minor } from "./head.ts";
import type { HeaderList } from "./header_list.ts";
import { HEAD_LIMITS, type HeadLimits } from "./limits.ts";
import { CLASS, CR, latin1, LF, SP, VALUE } from "./octets.ts";
import { hasLineFeed } from "./request_head.ts";
import { acceptedUpgrade } from "./upgrade.ts";

/** What a serialiser needs of a response head. */
export interface OutgoingResponse {
  readonly minor: Minor;
  /** 100 to 999. */
  readonly status: number;
  /** Reason phrase, often empty. Origin text. */
  readonly reason: string;
  readonly headers: HeaderList;
}

/** A response head that was parsed and found unambiguous. */
export interface ResponseHead extends OutgoingResponse {
  /** Octets of the head, counted from `start`. */
  readonly bytes: number;
  /** Declared Content-Length, or null. What it means depends on the request's method: see `BodyReader.forResponse`. */
  readonly contentLength: number | null;
  /** Whether Transfer-Encoding says `chunked`. */
  readonly chunked: boolean;
  /** Connection options in lower case. */
  readonly connection: readonly string[];
  /** Protocol that a 101 switches to, in lower case; null for all others. */
  readonly upgrade: string | null;
}

/**
 * Parses the response head at `[start, end)`; null while it is incomplete; `seen` as in `parseRequestHead`.
 *
 * Throws `http_bad_response` (blame: origin, 502) with `detail.violation`, the code of what is wrong. The origin
 * connection is then to be closed.
 */
export function parseResponseHead(
  buffer: Uint8Array,
  start: number,
  end: number,
  limits: HeadLimits = HEAD_LIMITS,
  seen: number = start,
): ResponseHead | null {
  try {
    return parse(buffer, start, end, limits, seen);
  } catch (error) {
    throw badResponse(error);
  }
}

/** The origin's fault that a violation in its message is, seen from the viewer. */
export function badResponse(violation: unknown): unknown {
  if (!(violation instanceof PosternError)) return violation;
  return new PosternError("http_bad_response", `Cannot use response of the origin: ${violation.message}`, {
    cause: violation,
    detail: { violation: codeOf(violation) },
  });
}

function parse(
  buffer: Uint8Array,
  start: number,
  end: number,
  limits: HeadLimits,
  seen: number,
): ResponseHead | null {
  const full = end - start >= limits.maxHeadBytes;
  if (seen > start && !full && !hasLineFeed(buffer, seen, end)) return null;
  const limit = full ? start + limits.maxHeadBytes : end;
  const lineEnd = scanStatusLine(buffer, start, limit);
  const at = lineEnd === INCOMPLETE ? INCOMPLETE : scanFields(buffer, lineEnd, limit, limits.maxHeaders);
  if (at === INCOMPLETE) {
    if (full) {
      throw new PosternError("http_head_too_large", undefined, { detail: { limit: limits.maxHeadBytes } });
    }
    return null;
  }

  const text = latin1(buffer, start, at);
  const minor: Minor = text.charCodeAt(MINOR_AT) === 0x31 ? 1 : 0;
  const status = Number(text.slice(STATUS_AT, REASON_AT - 1));
  const reason = text.slice(REASON_AT, Math.max(REASON_AT, lineEnd - 2 - start));
  const headers = scannedFields(text, start);
  const control = controlFields(headers, minor);
  return {
    bytes: at - start,
    minor,
    status,
    reason,
    headers,
    contentLength: control.contentLength,
    chunked: control.chunked,
    connection: control.connection,
    upgrade: status === 101 ? acceptedUpgrade(headers, control.connection) : null,
  };
}

/** `HTTP/1.x SP ddd [SP reason]`, by offset. */
const PREFIX = "HTTP/1.";
const MINOR_AT = 7;
const STATUS_AT = 9;
const REASON_AT = 13;
/** Longest status line, without its CRLF. */
const MAX_STATUS_LINE_BYTES = 8_192;

/** Offset behind the status line's CRLF, or INCOMPLETE. The space behind the status may be missing, as it often is. */
function scanStatusLine(buffer: Uint8Array, start: number, limit: number): number {
  for (let index = 0; index < REASON_AT - 1; index++) {
    const at = start + index;
    if (at >= limit) return INCOMPLETE;
    const octet = buffer[at];
    const fits = index < MINOR_AT
      ? octet === PREFIX.charCodeAt(index)
      : index === MINOR_AT
      ? octet === 0x30 || octet === 0x31
      : index === STATUS_AT - 1
      ? octet === SP
      : octet >= (index === STATUS_AT ? 0x31 : 0x30) && octet <= 0x39;
    if (!fits) throw new PosternError("http_bad_status_line");
  }
  let at = start + REASON_AT - 1;
  if (at >= limit) return INCOMPLETE;
  if (buffer[at] === SP) {
    const stop = Math.min(limit, start + MAX_STATUS_LINE_BYTES);
    while (at < stop && (CLASS[buffer[at]] & VALUE) !== 0) at++;
    if (at >= limit) return INCOMPLETE;
    if (at >= stop && buffer[at] !== CR) {
      throw new PosternError("http_head_too_large", "Cannot read status line: it is too long");
    }
  }
  if (buffer[at] === LF) throw bareLineEnding();
  if (buffer[at] !== CR) throw new PosternError("http_bad_status_line");
  if (at + 1 >= limit) return INCOMPLETE;
  if (buffer[at + 1] !== LF) throw bareLineEnding();
  return at + 2;
}
