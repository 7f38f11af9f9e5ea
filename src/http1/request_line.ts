/** Request line (RFC 9112 3): a scan that notes offsets and judges every octet as it comes. */
import { PosternError } from "../errors/mod.ts";
import { bareLineEnding, INCOMPLETE } from "./fields.ts";
import type { Minor } from "./head.ts";
import { MAX_METHOD_LENGTH } from "./limits.ts";
import { CLASS, CR, latin1, LF, METHOD, SP, TARGET, TOKEN } from "./octets.ts";

/** `HTTP/1.1` */
const VERSION_LENGTH = 8;

/** Offsets of the line last scanned; the scan is synchronous and has one user at a time. */
export const line: { methodEnd: number; targetEnd: number; minor: Minor } = {
  methodEnd: 0,
  targetEnd: 0,
  minor: 1,
};

/**
 * Scans `method SP target SP version CRLF` from `start`, never past `limit`; a target above `maxTargetBytes` is
 * refused. Returns the offset behind the CRLF, or {@link INCOMPLETE}. The target starts at `line.methodEnd + 1`.
 */
export function scanRequestLine(
  buffer: Uint8Array,
  start: number,
  limit: number,
  maxTargetBytes: number,
): number {
  let at = start;
  while (at < limit && (CLASS[buffer[at]] & METHOD) !== 0 && at - start < MAX_METHOD_LENGTH) at++;
  if (at >= limit) return INCOMPLETE;
  if (buffer[at] !== SP || at === start) throw badMethod(buffer[at], at - start);
  line.methodEnd = at++;

  const targetStart = at;
  const targetLimit = targetStart + maxTargetBytes;
  const stop = Math.min(limit, targetLimit);
  while (at < stop && (CLASS[buffer[at]] & TARGET) !== 0) at++;
  if (at >= limit) return INCOMPLETE;
  if (at === targetLimit && (CLASS[buffer[at]] & TARGET) !== 0) throw new PosternError("http_uri_too_long");
  if (buffer[at] !== SP || at === targetStart) {
    if (buffer[at] === CR && at + 1 >= limit) return INCOMPLETE;
    throw badTarget(buffer, at, at === targetStart);
  }
  line.targetEnd = at++;

  const versionStart = at;
  for (;; at++) {
    if (at >= limit) return INCOMPLETE;
    if (buffer[at] === CR) break;
    if (buffer[at] === LF) throw bareLineEnding();
    if (at - versionStart === VERSION_LENGTH) throw badLine("something follows the version");
  }
  if (at + 1 >= limit) return INCOMPLETE;
  if (buffer[at + 1] !== LF) throw bareLineEnding();
  line.minor = minorOf(latin1(buffer, versionStart, at), () => latin1(buffer, start, versionStart));
  return at + 2;
}

/** Minor version of `HTTP/1.0` or `HTTP/1.1`, refusing all others. */
function minorOf(version: string, before: () => string): Minor {
  if (version === "HTTP/1.1") return 1;
  if (version === "HTTP/1.0") return 0;
  if (version === "HTTP/2.0" && before() === "PRI * ") throw new PosternError("http_h2_preface");
  if (!/^HTTP\/[0-9]\.[0-9]$/.test(version)) throw badLine("the version is malformed");
  throw new PosternError("http_unsupported_version", `Cannot read message: ${version} is not spoken here`);
}

function badMethod(octet: number, length: number): PosternError {
  if (octet === LF) return bareLineEnding();
  if (octet === CR) return badLine(length === 0 ? "it is empty" : "it has no target");
  if (length === 0 && octet === SP) return badLine("it starts with white space");
  if (length === MAX_METHOD_LENGTH) {
    return new PosternError("http_bad_method", `Cannot read method: longer than ${MAX_METHOD_LENGTH} octets`);
  }
  const why = (CLASS[octet] & TOKEN) !== 0 ? "it is not in upper case" : "it is no token";
  return new PosternError("http_bad_method", `Cannot read method: ${why}`);
}

function badTarget(buffer: Uint8Array, at: number, empty: boolean): PosternError {
  const octet = buffer[at];
  if (octet === LF || (octet === CR && buffer[at + 1] !== LF)) return bareLineEnding();
  if (octet === CR) {
    return empty
      ? badLine("it has no target")
      : new PosternError("http_unsupported_version", "Cannot read message: HTTP/0.9 is not spoken here");
  }
  if (octet === SP) return badLine("two spaces stand together");
  const why = octet === 0x23
    ? "it has a fragment"
    : `it holds the octet 0x${octet.toString(16).padStart(2, "0")}`;
  return new PosternError("http_bad_target", `Cannot read request target: ${why}`);
}

function badLine(why: string): PosternError {
  return new PosternError("http_bad_request_line", `Cannot read request line: ${why}`);
}
