import { codeOf, type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import {
  type BodyReader,
  type HeaderList,
  parseRequestHead,
  parseResponseHead,
  type RequestHead,
  type ResponseHead,
} from "../../src/http1/mod.ts";

/** Octets of a text of code units 0-255. */
export function octets(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}

/** Text of octets, one code unit each. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}

/** The whole head; fails when it is incomplete. */
export function requestHead(text: string): RequestHead {
  const bytes = octets(text);
  const head = parseRequestHead(bytes, 0, bytes.length);
  if (head === null) throw new Error("the head is incomplete");
  return head;
}

export function responseHead(text: string): ResponseHead {
  const bytes = octets(text);
  const head = parseResponseHead(bytes, 0, bytes.length);
  if (head === null) throw new Error("the head is incomplete");
  return head;
}

/** Code of what `run` throws; null when it returns. Anything but a PosternError is thrown on. */
export function codeFrom(run: () => unknown): ErrorCode | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return codeOf(error);
  }
}

/** `detail.violation` of the http_bad_response that `run` throws. */
export function violationFrom(run: () => unknown): unknown {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof PosternError) || error.code !== "http_bad_response") throw error;
    return error.detail.violation;
  }
}

export function pairs(headers: HeaderList): [string, string][] {
  return [...headers].map(([name, value]) => [name, value]);
}

export interface ReadBody {
  body: string;
  /** Offset behind the message, -1 while it is incomplete. */
  end: number;
  trailers: [string, string][];
}

/** Reads a body that is given in pieces, cut at these ascending offsets. */
export function readBody(
  reader: BodyReader,
  bytes: Uint8Array,
  start: number,
  cuts: readonly number[] = [],
): ReadBody {
  let body = "";
  let at = start;
  for (const limit of [...cuts, bytes.length]) {
    if (limit < at) continue;
    // A reader sees nothing behind the piece at hand.
    const piece = bytes.slice(0, limit);
    for (;;) {
      const event = reader.push(piece, at, limit);
      at = reader.nextStart;
      if (event === "data") body += textOf(piece.subarray(reader.dataStart, reader.dataEnd));
      else if (event === "done") return { body, end: at, trailers: pairs(reader.trailers) };
      else break;
    }
    if (at !== limit) throw new Error(`need_more left octets behind: ${at} of ${limit}`);
  }
  return { body, end: -1, trailers: [] };
}
