/**
 * The request on its way to the origin: the head, then the body in the framing that the head announces. Waits while there
 * is no connection; the body must keep what the head promised, since the next request on the connection follows it.
 */
import type { SocketWriter, WireBuffer } from "../src/driver/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import {
  CHUNK_END_BYTES,
  lastChunkBytes,
  MAX_CHUNK_HEADER_BYTES,
  parseTrailers,
  type RequestHead,
  writeChunkEnd,
  writeChunkHeader,
  writeLastChunk,
} from "../src/http1/mod.ts";
import { EarlyBytes } from "./early_bytes.ts";

export class RequestBody {
  /** What came before there was a connection, or before the switch of protocols. */
  readonly early = new EarlyBytes();
  /** Body bytes so far. */
  bytes = 0;
  readonly #head: Uint8Array;
  readonly #upgrade: boolean;
  readonly #chunked: boolean;
  readonly #retain: () => WireBuffer | undefined;
  /** Body bytes that are still to come; unknown for a chunked one. */
  #remaining: number;
  #complete: boolean;
  #writer: SocketWriter | undefined;
  #lastChunk: Uint8Array | undefined;
  #scratch: Uint8Array | undefined;

  constructor(request: RequestHead, head: Uint8Array, retain: () => WireBuffer | undefined) {
    const { framing } = request;
    this.#head = head;
    this.#retain = retain;
    this.#upgrade = request.upgrade !== null;
    this.#chunked = framing.kind === "chunked";
    this.#remaining = framing.kind === "length" ? framing.length : this.#chunked ? Infinity : 0;
    this.#complete = this.#remaining === 0;
  }

  /** Whether there is no body, so that the request may be sent again. */
  get isEmpty(): boolean {
    return this.#complete && this.bytes === 0 && !this.#chunked;
  }
  /** Whether all of the request went to the writer. */
  get isWritten(): boolean {
    return this.#complete && this.#writer !== undefined;
  }

  /** Takes body bytes. Throws `http_conflicting_framing` for more than the head announced. */
  take(buffer: Uint8Array, start: number, end: number): void {
    if (this.#upgrade) return this.early.add(buffer, start, end);
    const bytes = end - start;
    if (bytes > this.#remaining || this.#lastChunk !== undefined) {
      throw new PosternError(
        "http_conflicting_framing",
        "Cannot forward body: it is longer than its head says",
      );
    }
    this.#remaining -= bytes;
    this.bytes += bytes;
    if (this.#remaining === 0) this.#complete = true;
    if (this.#writer === undefined) this.early.add(buffer, start, end);
    else this.#write(buffer, start, end);
  }

  /** The stream has ended. Throws `http_truncated_body`, and what bad trailers throw. */
  end(section: Uint8Array | undefined): void {
    this.early.ended = true;
    if (this.#upgrade) return;
    if (!this.#chunked) {
      if (this.#complete) return;
      throw new PosternError("http_truncated_body");
    }
    const trailers = section === undefined ? undefined : parseTrailers(section);
    const bytes = new Uint8Array(lastChunkBytes(trailers) + CHUNK_END_BYTES);
    this.#lastChunk = bytes.subarray(0, writeLastChunk(bytes, 0, trailers));
    this.#complete = true;
    this.#writer?.write(this.#lastChunk, 0);
  }

  /** Writes what is there, and from now on whatever comes. */
  writeTo(writer: SocketWriter): void {
    this.#writer = writer;
    writer.write(this.#head, 0);
    if (this.#upgrade) return;
    for (const part of this.early.take()) this.#write(part, 0, part.length);
    if (this.#lastChunk !== undefined) writer.write(this.#lastChunk, 0);
  }

  /** The connection is gone; another one follows. */
  detach(): void {
    this.#writer = undefined;
  }

  #write(buffer: Uint8Array, start: number, end: number): void {
    const writer = this.#writer!;
    const bytes = end - start;
    if (this.#chunked) {
      const scratch = this.#scratch ??= new Uint8Array(MAX_CHUNK_HEADER_BYTES);
      writer.write(scratch.subarray(0, writeChunkHeader(scratch, 0, bytes)), 0);
    }
    const lease = this.#retain();
    writer.write(buffer.subarray(start, end), bytes, lease);
    if (this.#chunked) writer.write(this.#scratch!.subarray(0, writeChunkEnd(this.#scratch!, 0)), 0);
  }
}
