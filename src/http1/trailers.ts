/** Trailer sections as they cross a stream: field lines, each with its CRLF, without the empty line at the end. */
import { concat, utf8 } from "../bytes/mod.ts";
import { HeaderList } from "./header_list.ts";
import { parseResponseHead } from "./response_head.ts";
import { fieldsLength, writeFields } from "./serialize.ts";

const STATUS_LINE = utf8("HTTP/1.1 200 OK\r\n");
const EMPTY_LINE = utf8("\r\n");

/** The section of these trailers; undefined when there are none. Throws `http_header_injection`. */
export function serializeTrailers(trailers: HeaderList): Uint8Array<ArrayBuffer> | undefined {
  if (trailers.length === 0) return undefined;
  const section = new Uint8Array(fieldsLength(trailers));
  writeFields(section, 0, trailers);
  return section;
}

/** Parses a section from a peer with the strictness of a head. Throws `http_*`. */
export function parseTrailers(section: Uint8Array): HeaderList {
  const bytes = concat(STATUS_LINE, section, EMPTY_LINE);
  return parseResponseHead(bytes, 0, bytes.length)?.headers ?? new HeaderList();
}
