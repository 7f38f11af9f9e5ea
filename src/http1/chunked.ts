/** Chunked transfer coding, write side (RFC 9112 7.1): into the caller's buffer, without allocating. */
import { PosternError } from "../errors/mod.ts";
import type { HeaderList } from "./header_list.ts";
import { fieldsLength, writeFields } from "./serialize.ts";
import { isForbiddenTrailer } from "./trailers.ts";
import { CR, LF } from "./octets.ts";

/** Most octets that stand before a chunk's data: 8 digits and CRLF, for chunks below 4 GiB. */
export const MAX_CHUNK_HEADER_BYTES = 10;
/** Octets that stand behind a chunk's data. */
export const CHUNK_END_BYTES = 2;

const DIGITS = new TextEncoder().encode("0123456789abcdef");
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");

/** Writes the header of a chunk at `at`; returns the offset behind it, where the data goes. */
export function writeChunkHeader(out: Uint8Array, at: number, length: number): number {
  const digits = digitsOf(length);
  let rest = length;
  for (let index = at + digits - 1; index >= at; index--) {
    out[index] = DIGITS[rest % 16];
    rest = Math.floor(rest / 16);
  }
  return writeCrlf(out, at + digits);
}

/** Writes the CRLF behind a chunk's data; returns the offset behind it. */
export function writeChunkEnd(out: Uint8Array, at: number): number {
  return writeCrlf(out, at);
}

/** Octets of the last chunk with these trailers. Throws `http_header_injection` for a line that cannot be written. */
export function lastChunkBytes(trailers?: HeaderList): number {
  return LAST_CHUNK.length + (trailers === undefined ? 0 : fieldsLength(trailers));
}

/**
 * Writes the last chunk, the trailers and the empty line at `at`; returns the offset behind them. Throws
 * `http_header_injection` for a trailer that must not be one.
 */
export function writeLastChunk(out: Uint8Array, at: number, trailers?: HeaderList): number {
  if (trailers === undefined || trailers.length === 0) {
    out.set(LAST_CHUNK, at);
    return at + LAST_CHUNK.length;
  }
  for (const [name] of trailers) {
    if (isForbiddenTrailer(name.toLowerCase())) {
      throw new PosternError("http_header_injection", "Cannot write trailers: one may not stand there");
    }
  }
  out.set(LAST_CHUNK.subarray(0, 3), at);
  return writeCrlf(out, writeFields(out, at + 3, trailers));
}

function digitsOf(length: number): number {
  if (!Number.isInteger(length) || length <= 0 || length > 0xffffffff) {
    // A chunk of size 0 would end the body.
    throw new RangeError(`Cannot write chunk: length ${length} is not in 1..2^32-1`);
  }
  return length < 0x10 ? 1 : (35 - Math.clz32(length)) >>> 2;
}

function writeCrlf(out: Uint8Array, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}
