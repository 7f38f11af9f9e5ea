/** Responses of Postern's own when a request cannot be served: a problem document, or a page for people. */
import { concat, utf8 } from "../bytes/mod.ts";
import { type ErrorCode, type PosternError } from "../errors/mod.ts";
import { prefersHtml } from "./accept.ts";
import { errorPage } from "./error_page.ts";
import { type Header, HeaderList } from "./header_list.ts";
import type { OutgoingResponse } from "./response_head.ts";
import { serializeResponseHead } from "./serialize.ts";
import { reasonPhrase } from "./status.ts";

export interface ErrorResponse {
  readonly status: number;
  readonly code: ErrorCode;
  readonly title: string;
  readonly requestId: string;
  /** One sentence about this very case; may hold peer text, is escaped. */
  readonly detail?: string;
  /** The request's Accept value, if any. */
  readonly accept?: string | null;
  /** Adds `Connection: close`: after every violation, since where the next request starts is unknown. */
  readonly close?: boolean;
  /** Leaves the body out but says its length: the answer to HEAD. */
  readonly head?: boolean;
  /** Further fields, such as Retry-After or Allow. */
  readonly headers?: readonly Header[];
}

/** A complete response, head and body, in one array. */
export function errorResponse(error: ErrorResponse): Uint8Array<ArrayBuffer> {
  const { head, body } = errorMessage(error);
  return concat(serializeResponseHead(head), body);
}

/** The head of a response, and its body: empty for HEAD. */
export function errorMessage(error: ErrorResponse): { head: OutgoingResponse; body: Uint8Array } {
  const html = prefersHtml(error.accept ?? null);
  const body = utf8(html ? errorPage(error) : problemDocument(error));
  const headers = new HeaderList();
  headers.append("Content-Type", html ? "text/html; charset=utf-8" : "application/problem+json");
  headers.append("Content-Length", String(body.length));
  headers.append("Cache-Control", "no-store");
  headers.append("X-Content-Type-Options", "nosniff");
  headers.append("Vary", "Accept");
  if (html) headers.append("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  headers.append("X-Request-Id", error.requestId);
  for (const [name, value] of error.headers ?? []) headers.append(name, value);
  if (error.status === 426) { for (const [name, value] of UPGRADE_REQUIRED) headers.append(name, value); }
  if (error.close === true) headers.append("Connection", "close");
  const head: OutgoingResponse = {
    minor: 1,
    status: error.status,
    reason: reasonPhrase(error.status),
    headers,
  };
  return { head, body: error.head === true ? body.subarray(0, 0) : body };
}

/** What 426 has to say: the one upgrade that the edge itself takes (RFC 9110 15.5.22 and 7.8, RFC 6455 4.4). */
const UPGRADE_REQUIRED: readonly Header[] = [
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Version", "13"],
];

/** The response that a PosternError stands for; its message goes into the detail only where the viewer is to blame. */
export function errorResponseOf(
  error: PosternError,
  request: Pick<ErrorResponse, "requestId" | "accept" | "close" | "head" | "headers">,
): Uint8Array<ArrayBuffer> {
  return errorResponse(explainedError(error, request));
}

/** As {@link errorResponseOf}, before it is written. */
export function explainedError(
  error: PosternError,
  request: Pick<ErrorResponse, "requestId" | "accept" | "close" | "head" | "headers">,
): ErrorResponse {
  const { status, title, blame } = error.facts;
  return {
    ...request,
    status: status ?? 500,
    code: error.code,
    title,
    detail: blame === "viewer" ? error.message : undefined,
  };
}

/** RFC 9457. */
function problemDocument(error: ErrorResponse): string {
  return JSON.stringify({
    type: `urn:postern:error:${error.code}`,
    title: error.title,
    status: error.status,
    code: error.code,
    detail: error.detail,
    request_id: error.requestId,
  }) + "\n";
}
