import { type ErrorCode, PosternError } from "../../errors/mod.ts";

/** Longest response head that a client of a carrier or proxy reads. */
export const MAX_RESPONSE_HEAD_BYTES = 8192;

/** A parsed head. Header names are lower-case; values of one name are kept apart. All of it is peer text. */
export interface ResponseHead {
  readonly http11: boolean;
  readonly status: number;
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

/** Collects a response head of at most {@link MAX_RESPONSE_HEAD_BYTES} and parses it strictly (RFC 9112). */
export class ResponseHeadReader {
  readonly #buffer = new Uint8Array(MAX_RESPONSE_HEAD_BYTES);
  readonly #tooLarge: ErrorCode;
  readonly #invalid: ErrorCode;
  #filled = 0;

  /** The codes to refuse with. */
  constructor(codes: { readonly tooLarge: ErrorCode; readonly invalid: ErrorCode }) {
    this.#tooLarge = codes.tooLarge;
    this.#invalid = codes.invalid;
  }

  /** Takes more bytes. Null: the head goes on. Otherwise the head, and how many of `bytes` belong to it. */
  push(bytes: Uint8Array): { readonly head: ResponseHead; readonly taken: number } | null {
    const before = this.#filled;
    const room = this.#buffer.length - before;
    this.#buffer.set(bytes.length > room ? bytes.subarray(0, room) : bytes, before);
    this.#filled += Math.min(room, bytes.length);
    const end = this.#headEnd(Math.max(0, before - 3));
    if (end < 0) {
      if (this.#filled === this.#buffer.length) {
        throw new PosternError(
          this.#tooLarge,
          `Cannot read the answer: its head is over ${MAX_RESPONSE_HEAD_BYTES} bytes`,
        );
      }
      return null;
    }
    return { head: parseHead(this.#buffer.subarray(0, end - 4), this.#invalid), taken: end - before };
  }

  /** Offset behind the empty line, or -1. */
  #headEnd(from: number): number {
    const buffer = this.#buffer;
    for (let at = from; at + 4 <= this.#filled; at++) {
      if (buffer[at] === 13 && buffer[at + 1] === 10 && buffer[at + 2] === 13 && buffer[at + 3] === 10) {
        return at + 4;
      }
    }
    return -1;
  }
}

const latin1 = new TextDecoder("latin1");
const statusLine = /^HTTP\/1\.([01]) ([1-5][0-9][0-9])(?: .*)?$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// deno-lint-ignore no-control-regex
const controls = /[\x00-\x08\x0a-\x1f\x7f]/;

function parseHead(bytes: Uint8Array, invalid: ErrorCode): ResponseHead {
  const [first, ...lines] = latin1.decode(bytes).split("\r\n");
  const status = statusLine.exec(first);
  if (!status || controls.test(first)) {
    throw new PosternError(invalid, "Cannot read the answer: it does not begin with an HTTP/1 status line");
  }
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    if (colon < 1 || !token.test(name) || controls.test(line)) {
      throw new PosternError(invalid, "Cannot read the answer: a header line is malformed");
    }
    const values = headers.get(name);
    const value = line.slice(colon + 1).trim();
    if (values) values.push(value);
    else headers.set(name, [value]);
  }
  return { http11: status[1] === "1", status: Number(status[2]), headers };
}
