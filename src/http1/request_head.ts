/** Request heads as the edge accepts them from viewers (RFC 9112 3, 5, 6). */
import { PosternError } from "../errors/mod.ts";
import { INCOMPLETE, scanFields, scannedFields } from "./fields.ts";
import { CHUNKED, type Framing, NO_BODY } from "./framing.ts";
import { type ControlFields, controlFields, type Minor } from "./head.ts";
import type { HeaderList } from "./header_list.ts";
import { type Authority, parseAuthority, sameAuthority } from "./host.ts";
import { HEAD_LIMITS, type HeadLimits } from "./limits.ts";
import { latin1, LF } from "./octets.ts";
import { line, scanRequestLine } from "./request_line.ts";
import { requestedUpgrade } from "./upgrade.ts";

/** What a serialiser needs of a request head. */
export interface OutgoingRequest {
  readonly method: string;
  /** Origin-form (`/path?query`), or `*` of OPTIONS. */
  readonly target: string;
  readonly minor: Minor;
  readonly headers: HeaderList;
}

/** A request head that was parsed and found unambiguous. */
export interface RequestHead extends OutgoingRequest {
  /** Octets of the head, counted from `start`: the body begins behind them. */
  readonly bytes: number;
  /** Host as the viewer wrote it, with port; empty only for HTTP/1.0 without Host. */
  readonly host: string;
  /** Host in lower case, without port and trailing dot: what routes are looked up by. */
  readonly hostname: string;
  /** Port that Host names, or null. */
  readonly port: number | null;
  /** `none`, `length` or `chunked`. */
  readonly framing: Framing;
  /** Connection options in lower case. */
  readonly connection: readonly string[];
  /** Protocol that the viewer wants to switch to, in lower case (`websocket`), or null. */
  readonly upgrade: string | null;
  /** Whether the viewer waits for 100 (Continue) before it sends the body. */
  readonly expectContinue: boolean;
}

/** `http:` and `https:` of absolute-form, with the port each implies. */
const ABSOLUTE_FORM = /^(https?):\/\/([^/?]*)(.*)$/i;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

/**
 * Parses the request head at `[start, end)`; null while it is incomplete.
 *
 * `seen` is the offset up to which an earlier call has returned null: until a line feed comes after it nothing is
 * scanned again, so a head in single octets costs no more than one scan a line.
 *
 * Throws PosternError (`http_*`, blame: viewer) at the first octet that cannot be part of an acceptable head. The
 * connection is then to be answered with the code's status and closed: where the next message begins is unknown.
 */
export function parseRequestHead(
  buffer: Uint8Array,
  start: number,
  end: number,
  limits: HeadLimits = HEAD_LIMITS,
  seen: number = start,
): RequestHead | null {
  const full = end - start >= limits.maxHeadBytes;
  if (seen > start && !full && !hasLineFeed(buffer, seen, end)) return null;
  const limit = full ? start + limits.maxHeadBytes : end;
  let at = scanRequestLine(buffer, start, limit, limits.maxTargetBytes);
  if (at !== INCOMPLETE) at = scanFields(buffer, at, limit, limits.maxHeaders);
  if (at === INCOMPLETE) {
    if (full) {
      throw new PosternError("http_head_too_large", undefined, { detail: { limit: limits.maxHeadBytes } });
    }
    return null;
  }

  const text = latin1(buffer, start, at);
  const method = text.slice(0, line.methodEnd - start);
  const target = text.slice(line.methodEnd + 1 - start, line.targetEnd - start);
  const minor = line.minor;
  const headers = scannedFields(text, start);
  return judge(at - start, method, target, minor, headers);
}

/** Whether `[start, end)` of the buffer holds a line feed. */
export function hasLineFeed(buffer: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] === LF) return true;
  return false;
}

/** What the parts of a head mean together; throws as {@link parseRequestHead}. */
export function judge(
  bytes: number,
  method: string,
  rawTarget: string,
  minor: Minor,
  headers: HeaderList,
): RequestHead {
  if (method === "CONNECT") throw new PosternError("http_connect_refused");
  // What comes back would show the fields that the edge adds (RFC 9110 9.3.8), and scripts what is hidden from them.
  if (method === "TRACE") throw new PosternError("http_trace_refused");
  if (method === "PRI") throw new PosternError("http_bad_method", "Cannot read method: PRI is reserved");
  const { target, authority } = normalizeTarget(method, rawTarget);
  const host = hostOf(headers, minor, authority);
  const control = controlFields(headers, minor);
  const framing = framingOf(control);
  return {
    bytes,
    method,
    target,
    minor,
    headers,
    host: host.text,
    hostname: host.hostname,
    port: host.port,
    framing,
    connection: control.connection,
    upgrade: requestedUpgrade(method, minor, headers, control.connection, framing),
    expectContinue: expectsContinue(headers, minor),
  };
}

/** Target in origin-form, and the authority that absolute-form named (RFC 9112 3.2). */
function normalizeTarget(
  method: string,
  target: string,
): { target: string; authority: NamedAuthority | null } {
  if (target.charCodeAt(0) === 0x2f) return { target, authority: null };
  if (target === "*") {
    if (method !== "OPTIONS") throw badTarget("asterisk-form is for OPTIONS only");
    return { target, authority: null };
  }
  const absolute = ABSOLUTE_FORM.exec(target);
  if (absolute === null) throw badTarget("it is neither origin-form nor an http URL");
  const [, scheme, text, rest] = absolute;
  const parsed = parseAuthority(text);
  if (parsed === null) throw badTarget("its authority is malformed");
  const authority = { ...parsed, text, defaultPort: DEFAULT_PORTS[scheme.toLowerCase()] };
  // RFC 9112 3.2.4: OPTIONS for the server as a whole loses its path on the way here.
  if (rest === "") return { target: method === "OPTIONS" ? "*" : "/", authority };
  return { target: rest.startsWith("/") ? rest : `/${rest}`, authority };
}

interface NamedAuthority extends Authority {
  readonly text: string;
  readonly defaultPort: number;
}

/** The one Host, which absolute-form may repeat but never contradict (RFC 9112 3.2, 3.2.2). */
function hostOf(
  headers: HeaderList,
  minor: Minor,
  named: NamedAuthority | null,
): Authority & { text: string } {
  let text: string | null = null;
  for (let at = 0; at < headers.length; at++) {
    if (headers.keyAt(at) !== "host") continue;
    if (text !== null) throw badHost("it is repeated");
    text = headers.valueAt(at);
  }
  if (text === null) {
    if (minor === 1) throw badHost("it is missing");
    if (named === null) return { text: "", hostname: "", port: null };
    // The target loses its authority, so Host has to carry it from here on.
    headers.append("Host", named.text);
    return named;
  }
  const host = parseAuthority(text);
  if (host === null) throw badHost("it is malformed");
  if (named !== null && !sameAuthority(named, host, named.defaultPort)) {
    throw new PosternError("http_host_mismatch");
  }
  return { text, hostname: host.hostname, port: host.port };
}

function framingOf(control: ControlFields): Framing {
  if (control.chunked) return CHUNKED;
  return control.contentLength === null ? NO_BODY : { kind: "length", length: control.contentLength };
}

/** RFC 9110 10.1.1: the one expectation there is; HTTP/1.0 cannot have any. */
function expectsContinue(headers: HeaderList, minor: Minor): boolean {
  if (minor === 0 || !headers.has("expect")) return false;
  if (headers.getAll("expect").every((value) => value.toLowerCase() === "100-continue")) return true;
  throw new PosternError("http_bad_expectation");
}

function badTarget(why: string): PosternError {
  return new PosternError("http_bad_target", `Cannot read request target: ${why}`);
}

function badHost(why: string): PosternError {
  return new PosternError("http_bad_host", `Cannot read Host: ${why}`);
}
