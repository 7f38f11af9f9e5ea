/** Responses on a connection that speaks HTTP/1.1: serialised, chunked where the framing says so. One for each connection. */
import { type Lease, SocketWriter, type SocketWriterEvents } from "../driver/mod.ts";
import { concat } from "../bytes/mod.ts";
import {
  CHUNK_END_BYTES,
  type ErrorResponse,
  errorResponse,
  type Framing,
  type HeaderList,
  lastChunkBytes,
  MAX_CHUNK_HEADER_BYTES,
  type OutgoingResponse,
  serializeResponseHead,
  writeChunkEnd,
  writeChunkHeader,
  writeLastChunk,
} from "../http1/mod.ts";
import type { ResponseWriter } from "./response_writer.ts";

export class Http1ResponseWriter implements ResponseWriter {
  readonly raw: SocketWriter;
  #chunked = false;

  constructor(writer: SocketWriter) {
    this.raw = writer;
  }

  get events(): SocketWriterEvents {
    return this.raw.events;
  }
  set events(events: SocketWriterEvents) {
    this.raw.events = events;
  }
  get failed(): boolean {
    return this.raw.failed;
  }

  head(head: OutgoingResponse, framing: Framing, credit: number): void {
    this.#chunked = framing.kind === "chunked";
    this.raw.write(serializeResponseHead(head), credit);
  }

  body(bytes: Uint8Array, credit: number, lease: Lease | undefined): void {
    const chunked = this.#chunked;
    if (chunked) this.raw.write(scratch.subarray(0, writeChunkHeader(scratch, 0, bytes.length)), 0);
    this.raw.write(bytes, credit, lease);
    if (chunked) this.raw.write(scratch.subarray(0, writeChunkEnd(scratch, 0)), 0);
  }

  end(trailers: HeaderList): void {
    if (!this.#chunked) return;
    const bytes = new Uint8Array(lastChunkBytes(trailers) + CHUNK_END_BYTES);
    this.raw.write(bytes.subarray(0, writeLastChunk(bytes, 0, trailers)), 0);
  }

  refuse(error: ErrorResponse): void {
    this.raw.write(errorResponse(error), 0);
  }

  respond(head: OutgoingResponse, bytes: Uint8Array): void {
    const out = serializeResponseHead(head);
    this.raw.write(bytes.length === 0 ? out : concat(out, bytes), 0);
  }

  hold(): void {
    this.raw.hold();
  }
  letGo(): void {
    this.raw.letGo();
  }
  dropHeld(): void {
    this.raw.dropHeld();
  }
  abort(): void {
    this.raw.abort();
  }
  flushed(): Promise<void> {
    return this.raw.flushed();
  }
}

/** Written to and copied from in one go. */
const scratch = new Uint8Array(MAX_CHUNK_HEADER_BYTES);
