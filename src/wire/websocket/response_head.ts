import { type ErrorCode, PosternError } from "../../errors/mod.ts";
import { HEAD_LIMITS, type HeadLimits, parseResponseHead } from "../../http1/mod.ts";

/** Longest response head that a client of a carrier or proxy reads. */
const MAX_RESPONSE_HEAD_BYTES = 8192;

const LIMITS: HeadLimits = Object.freeze({ ...HEAD_LIMITS, maxHeadBytes: MAX_RESPONSE_HEAD_BYTES });

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
    const parsed = this.#parse(before);
    if (parsed === null) return null;
    const headers = new Map<string, string[]>();
    for (const [name, value] of parsed.headers) {
      const key = name.toLowerCase();
      const values = headers.get(key);
      if (values) values.push(value);
      else headers.set(key, [value]);
    }
    const head = { http11: parsed.minor === 1, status: parsed.status, headers };
    return { head, taken: parsed.bytes - before };
  }

  #parse(seen: number) {
    try {
      return parseResponseHead(this.#buffer, 0, this.#filled, LIMITS, seen);
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      const { violation } = error.detail;
      if (violation === "http_head_too_large") {
        throw new PosternError(
          this.#tooLarge,
          `Cannot read the answer: its head is over ${MAX_RESPONSE_HEAD_BYTES} bytes`,
        );
      }
      throw new PosternError(this.#invalid, `Cannot read the answer: it breaks HTTP/1 (${violation})`, {
        detail: { violation },
      });
    }
  }
}
