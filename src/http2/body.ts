/** The body of a request on a stream: octets without framing, up to END_STREAM, as many as Content-Length says. */
import { PosternError } from "../errors/mod.ts";
import { type BodyEvent, HeaderList, listedTrailers, type RequestHead } from "../http1/mod.ts";
import type { HeaderBlock } from "./header_block.ts";
import { trailerFields } from "./request.ts";
import type { Http2Stream } from "./stream.ts";

const NO_TRAILERS = new HeaderList();

/** Reads in place as `BodyReader` does; the end is told by {@link eof}. */
export class Http2Body {
  dataStart = 0;
  dataEnd = 0;
  nextStart = 0;
  trailers: HeaderList = NO_TRAILERS;
  readonly #stream: Http2Stream;
  readonly #length: number | undefined;
  #read = 0;
  #done: boolean;

  constructor(stream: Http2Stream, head: RequestHead) {
    const { framing } = head;
    this.#stream = stream;
    this.#length = framing.kind === "length" ? framing.length : undefined;
    this.#done = framing.kind === "none" || (this.#length === 0 && stream.remoteEnded);
  }

  /** Whether the whole body has been read. */
  get done(): boolean {
    return this.#done;
  }

  /** Throws `h2_body_length`. */
  push(_buffer: Uint8Array, start: number, end: number): BodyEvent {
    this.nextStart = end;
    if (start >= end) return this.#done ? "done" : "need_more";
    this.#read += end - start;
    if (this.#length !== undefined && this.#read > this.#length) {
      throw this.#malformed("it is longer than its Content-Length");
    }
    this.dataStart = start;
    this.dataEnd = end;
    return "data";
  }

  /** The stream ended here. Throws `h2_body_length`, and what bad trailers throw. */
  eof(): void {
    if (this.#length !== undefined && this.#read !== this.#length) {
      throw this.#malformed("it is shorter than its Content-Length");
    }
    const block = this.#stream.trailers;
    if (block !== undefined) this.trailers = this.#trailers(block);
    this.#done = true;
  }

  #trailers(block: HeaderBlock): HeaderList {
    try {
      return listedTrailers(trailerFields(block));
    } catch (error) {
      this.#stream.countMalformed();
      throw error;
    }
  }

  #malformed(why: string): PosternError {
    this.#stream.countMalformed();
    return new PosternError("h2_body_length", `Cannot read body: ${why}`);
  }
}
