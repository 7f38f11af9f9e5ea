/** Trailer sections: what may stand in them, and how they cross a stream (field lines, without the empty line). */
import { CLAIMS, PROXY_CLAIMS } from "./claims.ts";
import { PosternError } from "../errors/mod.ts";
import { gatewayName, scanFields, scannedFields } from "./fields.ts";
import { HeaderList } from "./header_list.ts";
import { BODY_LIMITS, type BodyLimits } from "./limits.ts";
import { latin1 } from "./octets.ts";
import { badResponse } from "./response_head.ts";
import { fieldsLength, writeFields } from "./serialize.ts";

/** The section of these trailers; undefined when there are none. Throws `http_header_injection`. */
export function serializeTrailers(trailers: HeaderList): Uint8Array<ArrayBuffer> | undefined {
  if (trailers.length === 0) return undefined;
  const section = new Uint8Array(fieldsLength(trailers));
  writeFields(section, 0, trailers);
  return section;
}

/**
 * Parses a section from the other end of a stream, as strictly as one behind a chunked body, and drops the same fields.
 * Throws `http_bad_response` with `detail.violation`.
 */
export function parseTrailers(section: Uint8Array, limits: BodyLimits = BODY_LIMITS): HeaderList {
  try {
    if (section.length + 2 > limits.maxTrailerBytes) throw new PosternError("http_trailers_too_large");
    const bytes = new Uint8Array(section.length + 2);
    bytes.set(section);
    bytes.set(EMPTY_LINE, section.length);
    if (scanFields(bytes, 0, bytes.length, limits.maxTrailers) !== bytes.length) {
      throw new PosternError(
        "http_bad_header_name",
        "Cannot read trailers: a line is unfinished, or one is empty",
      );
    }
    return scannedTrailers(bytes, bytes.length);
  } catch (error) {
    throw badResponse(error);
  }
}

const EMPTY_LINE = Uint8Array.of(0x0d, 0x0a);

/** The trailers of the scan just made over `[0, length)`, without the forbidden ones. */
export function scannedTrailers(buffer: Uint8Array, length: number): HeaderList {
  const trailers = scannedFields(latin1(buffer, 0, length), 0);
  if (trailers.has("content-length") || trailers.has("transfer-encoding")) {
    // The other fields are dropped in silence; nobody sends these two by accident.
    throw new PosternError("http_conflicting_framing", "Cannot read trailers: they state a message length");
  }
  trailers.deleteWhere(isForbiddenTrailer);
  return trailers;
}

/**
 * Fields that must not arrive after the decisions they belong to (RFC 9110 6.5.1): framing, routing, request modifiers,
 * authentication, how to process the content, and whatever tells the origin about the viewer.
 */
const FORBIDDEN_TRAILERS = new Set([
  "accept",
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "keep-alive",
  "location",
  "max-forwards",
  "origin",
  "pragma",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "range",
  "retry-after",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

/** Whether a field of this lower-case name is dropped from a trailer section. */
export function isForbiddenTrailer(key: string): boolean {
  const seen = gatewayName(key);
  return FORBIDDEN_TRAILERS.has(seen) || CLAIMS.has(seen) || PROXY_CLAIMS.has(seen) ||
    seen.startsWith("x-forwarded-") || seen.startsWith("x-postern-");
}
