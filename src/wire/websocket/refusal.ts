import { utf8Decode } from "../../bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../errors/mod.ts";
import type { ResponseHead } from "./response_head.ts";

/** Most that is read of a refusal's body; a problem document is far smaller. */
const MAX_REFUSAL_BODY_BYTES = 4096;
/** Longest Retry-After that is believed: a day. */
const MAX_RETRY_AFTER_MS = 86_400_000;
/** Longest title of a problem document that is repeated. */
const MAX_TITLE_CHARACTERS = 200;

/** Collects the body of a refusal, bounded, and knows when it is complete. */
export class RefusalBody {
  readonly #raw = new Uint8Array(MAX_REFUSAL_BODY_BYTES);
  readonly #chunked: boolean;
  /** Bytes to wait for; the bound when the length is not known. */
  readonly #wanted: number;
  #filled = 0;

  constructor(head: ResponseHead) {
    const encoding = head.headers.get("transfer-encoding")?.join(",").toLowerCase();
    this.#chunked = encoding === "chunked";
    const length = head.headers.get("content-length")?.join(",") ?? "";
    const declared = encoding === undefined && /^[0-9]{1,15}$/.test(length)
      ? Number(length)
      : this.#raw.length;
    this.#wanted = Math.min(declared, this.#raw.length);
  }

  /** Takes more bytes; whether the body is as complete as it will be. */
  push(bytes: Uint8Array): boolean {
    const part = bytes.subarray(0, this.#wanted - this.#filled);
    this.#raw.set(part, this.#filled);
    this.#filled += part.length;
    return this.#filled === this.#wanted ||
      (this.#chunked && endsChunks(this.#raw.subarray(0, this.#filled)));
  }

  /** The body so far, without chunk framing. */
  get bytes(): Uint8Array {
    const raw = this.#raw.subarray(0, this.#filled);
    return this.#chunked ? joinChunks(raw) : raw;
  }
}

/** Whether the last, empty chunk has come (RFC 9112 7.1); trailers are not waited for. */
function endsChunks(raw: Uint8Array): boolean {
  const tail = [48, 13, 10, 13, 10];
  return raw.length >= tail.length && tail.every((byte, i) => raw[raw.length - tail.length + i] === byte);
}

/** Best effort: whatever is malformed ends the body. */
function joinChunks(raw: Uint8Array): Uint8Array {
  const out = new Uint8Array(raw.length);
  let filled = 0;
  for (let at = 0; at < raw.length;) {
    const lineEnd = raw.indexOf(10, at);
    if (lineEnd < 0) break;
    const bytes = Number.parseInt(String.fromCharCode(...raw.subarray(at, Math.min(lineEnd, at + 8))), 16);
    if (!(bytes > 0)) break;
    const part = raw.subarray(lineEnd + 1, lineEnd + 1 + bytes);
    out.set(part, filled);
    filled += part.length;
    at = lineEnd + 1 + bytes + 2;
  }
  return out.subarray(0, filled);
}

/** The head of an answer that is not an upgrade; `wallMs` is the time it came. */
export interface Refusal {
  readonly status: number;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly wallMs: number;
}

/**
 * `websocket_redirected` for 3xx, `websocket_unavailable` for what may pass (408, 425, 429, 5xx), else
 * `websocket_refused`. Detail: `status`; `retry_after_ms` if the peer said so; `peer_code` and `peer_title` from a
 * problem document, both reduced to harmless characters.
 */
export function refusalError(head: Refusal, body: Uint8Array): PosternError {
  const { status } = head;
  const detail: Record<string, string | number> = { status };
  const retryAfterMs = readRetryAfter(head.headers.get("retry-after")?.[0], head.wallMs);
  if (retryAfterMs !== undefined) detail.retry_after_ms = retryAfterMs;
  const problem = readProblem(body);
  if (problem.code !== undefined) detail.peer_code = problem.code;
  if (problem.title !== undefined) detail.peer_title = problem.title;
  const said = problem.code === undefined ? "" : ` (${problem.code})`;
  return new PosternError(
    refusalCode(status),
    `Cannot open the WebSocket: the peer answered with status ${status}${said}`,
    { detail },
  );
}

function refusalCode(status: number): ErrorCode {
  if (status >= 300 && status < 400) return "websocket_redirected";
  const mayPass = status >= 500 || status === 408 || status === 425 || status === 429;
  return mayPass ? "websocket_unavailable" : "websocket_refused";
}

/** Milliseconds from now that a Retry-After value means (RFC 9110 10.2.3), at most a day; undefined if unreadable. */
function readRetryAfter(value: string | undefined, wallMs: number): number | undefined {
  if (value === undefined) return undefined;
  const delay = /^[0-9]{1,10}$/.test(value)
    ? Number(value) * 1000
    : /GMT$/.test(value)
    ? Date.parse(value) - wallMs
    : NaN;
  return Number.isNaN(delay) ? undefined : Math.min(Math.max(0, delay), MAX_RETRY_AFTER_MS);
}

/** `code` and `title` of a problem document (RFC 9457), as far as there is one. */
function readProblem(body: Uint8Array): { code?: string; title?: string } {
  let problem: unknown;
  try {
    problem = JSON.parse(utf8Decode(body));
  } catch {
    return {};
  }
  if (typeof problem !== "object" || problem === null) return {};
  const { code, title } = problem as { code?: unknown; title?: unknown };
  return {
    code: typeof code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(code) ? code : undefined,
    title: typeof title === "string"
      ? title.slice(0, MAX_TITLE_CHARACTERS).replace(/[^ -~]/g, "?")
      : undefined,
  };
}
