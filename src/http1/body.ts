/** Bodies: where they end, and their octets without the framing (RFC 9112 6 and 7). */
import { PosternError } from "../errors/mod.ts";
import { ChunkDecoder } from "./chunk_decoder.ts";
import { CHUNKED, type Framing, NO_BODY, UNTIL_CLOSE, UPGRADE } from "./framing.ts";
import { HeaderList } from "./header_list.ts";
import { BODY_LIMITS, type BodyLimits } from "./limits.ts";
import type { RequestHead } from "./request_head.ts";
import { badResponse, type ResponseHead } from "./response_head.ts";

/**
 * What {@link BodyReader.push} found: body octets at `[dataStart, dataEnd)`; nothing more in what was given
 * (all of it is consumed); or the end of the message, behind which `nextStart` points.
 */
export type BodyEvent = "data" | "need_more" | "done";

/**
 * Reads one body in place, octet for octet, without allocating. The loop of a caller:
 * ```
 * for (let at = start; ; at = reader.nextStart) {
 *   const event = reader.push(buffer, at, end);
 *   if (event === "data") forward(buffer, reader.dataStart, reader.dataEnd);
 *   else break; // need_more: read on; done: the next message starts at nextStart
 * }
 * ```
 */
export class BodyReader {
  readonly framing: Framing;
  dataStart = 0;
  dataEnd = 0;
  /** Where parsing goes on, after every event. */
  nextStart = 0;

  readonly #ofOrigin: boolean;
  readonly #chunks: ChunkDecoder | null;
  /** Octets that are still to come; Infinity up to the end of the stream. */
  #remaining: number;
  #done: boolean;

  private constructor(framing: Framing, ofOrigin: boolean, limits: BodyLimits) {
    this.framing = framing;
    this.#ofOrigin = ofOrigin;
    this.#chunks = framing.kind === "chunked" ? new ChunkDecoder(limits) : null;
    this.#remaining = framing.kind === "length" ? framing.length : framing.kind === "none" ? 0 : Infinity;
    this.#done = this.#remaining === 0;
  }

  /** Body of a request. Violations throw the code that names them (blame: viewer). */
  static forRequest(head: RequestHead, limits: BodyLimits = BODY_LIMITS): BodyReader {
    return new BodyReader(head.framing, false, limits);
  }

  /** Body of the response to a request with this method. Violations throw `http_bad_response` (blame: origin). */
  static forResponse(
    head: ResponseHead,
    requestMethod: string,
    limits: BodyLimits = BODY_LIMITS,
  ): BodyReader {
    return new BodyReader(responseFraming(head, requestMethod), true, limits);
  }

  /** Whether the whole body has been read. */
  get done(): boolean {
    return this.#done;
  }

  /** Trailer fields that may be passed on; empty until done and for bodies that are not chunked. */
  get trailers(): HeaderList {
    return this.#chunks?.trailers ?? NO_TRAILERS;
  }

  /** Reads on at `[start, end)`. */
  push(buffer: Uint8Array, start: number, end: number): BodyEvent {
    if (this.#done) {
      this.nextStart = start;
      return "done";
    }
    if (this.#chunks !== null) return this.#pushChunked(this.#chunks, buffer, start, end);
    if (start >= end) {
      this.nextStart = start;
      return "need_more";
    }
    const taken = Math.min(end - start, this.#remaining);
    this.#remaining -= taken;
    this.#done = this.#remaining === 0;
    return this.#data(start, start + taken);
  }

  /** The stream ended here: legal after the body, and in one that only the end of the stream ends. */
  eof(): void {
    if (this.framing.kind === "until_close" || this.framing.kind === "upgrade") this.#done = true;
    if (!this.#done) throw new PosternError("http_truncated_body");
  }

  #pushChunked(chunks: ChunkDecoder, buffer: Uint8Array, start: number, end: number): BodyEvent {
    let at: number;
    try {
      at = chunks.skipFraming(buffer, start, end);
    } catch (error) {
      throw this.#ofOrigin ? badResponse(error) : error;
    }
    if (chunks.done) {
      this.#done = true;
      this.nextStart = at;
      return "done";
    }
    if (at >= end) {
      this.nextStart = at;
      return "need_more";
    }
    return this.#data(at, at + chunks.take(end - at));
  }

  #data(start: number, end: number): BodyEvent {
    this.dataStart = start;
    this.dataEnd = end;
    this.nextStart = end;
    return "data";
  }
}

const NO_TRAILERS = new HeaderList();

/** Framing of the response to a request with this method (RFC 9112 6.3). */
export function responseFraming(head: ResponseHead, requestMethod: string): Framing {
  if (head.status === 101) return UPGRADE;
  if (requestMethod === "HEAD" || neverHasBody(head.status)) return NO_BODY;
  if (head.chunked) return CHUNKED;
  return head.contentLength === null ? UNTIL_CLOSE : { kind: "length", length: head.contentLength };
}

/** Statuses whose responses end with the head, whatever it says (RFC 9110 6.4.1). */
export function neverHasBody(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
