/** What a gateway changes between the connection a message came from and the one it goes to (RFC 9110 7.6). */
import { CHUNKED, type Framing, UNTIL_CLOSE } from "./framing.ts";
import { CLAIMS, PROXY_CLAIMS } from "./claims.ts";
import { gatewayName } from "./fields.ts";
import { listElements, type Minor } from "./head.ts";
import { HeaderList } from "./header_list.ts";
import type { OutgoingRequest, RequestHead } from "./request_head.ts";
import type { OutgoingResponse, ResponseHead } from "./response_head.ts";
import { neverHasBody, responseFraming } from "./body.ts";

/** Fields for one connection only. `Trailer` is not among them: it describes the message (RFC 9110 6.6.2). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** What the edge knows about the viewer; goes to the origin in place of what the viewer claims. */
export interface ViewerFacts {
  readonly clientIp: string;
  readonly scheme: "http" | "https";
  /** Whether a trusted proxy stands in front, whose own claims about the viewer are passed on. */
  readonly proxied: boolean;
  /** Host that the viewer asked for, as it goes into X-Forwarded-Host. */
  readonly host: string;
  /** Set when the viewer sent no acceptable X-Request-Id. */
  readonly requestId: string;
}

/** An X-Request-Id that is taken over from a viewer. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

function isClaim(key: string, proxied: boolean): boolean {
  const seen = gatewayName(key);
  return CLAIMS.has(seen) || (!proxied && PROXY_CLAIMS.has(seen)) || seen.startsWith("x-forwarded-") ||
    seen.startsWith("x-postern-");
}

/**
 * The request as it goes to the origin, always as HTTP/1.1. The body goes with the framing of `head.framing`, encoded
 * anew. An upgrade keeps Connection and Upgrade; `TE: trailers` is kept. The given head stays as it is.
 */
export function forwardedRequest(head: RequestHead, facts: ViewerFacts): OutgoingRequest {
  const { connection } = head;
  const headers = head.headers.without((key) =>
    HOP_BY_HOP.has(key) || isClaim(key, facts.proxied) || connection.includes(key)
  );
  setFraming(headers, head.framing);
  if (head.upgrade !== null) {
    headers.append("Connection", "Upgrade");
    headers.append("Upgrade", head.upgrade);
  } else if (wantsTrailers(head.headers)) {
    headers.append("Connection", "TE");
    headers.append("TE", "trailers");
  }
  headers.append("X-Forwarded-For", facts.clientIp);
  headers.append("X-Forwarded-Proto", facts.scheme);
  headers.append("X-Forwarded-Host", facts.host);
  headers.append("X-Postern-Client-IP", facts.clientIp);
  headers.append("X-Request-Id", acceptedRequestId(head.headers.getAll("x-request-id")) ?? facts.requestId);
  return { method: head.method, target: head.target, minor: 1, headers };
}

function wantsTrailers(headers: HeaderList): boolean {
  return headers.has("te") &&
    headers.getAll("te").some((value) => listElements(value.toLowerCase()).includes("trailers"));
}

/** The viewer's own request id, if it sent exactly one of `[A-Za-z0-9._-]{1,128}`. */
export function acceptedRequestId(offered: readonly string[]): string | null {
  return offered.length === 1 && REQUEST_ID.test(offered[0]) ? offered[0] : null;
}

/** How the body of an origin's response goes on to the viewer. */
export function viewerFraming(head: ResponseHead, request: { method: string; minor: Minor }): Framing {
  const framing = responseFraming(head, request.method);
  if (framing.kind !== "chunked" && framing.kind !== "until_close") return framing;
  return request.minor === 1 ? CHUNKED : UNTIL_CLOSE;
}

export interface ViewerConnection {
  /** Whether another request may follow. Ignored where the framing ends with the connection. */
  readonly keepAlive: boolean;
  /** From {@link viewerFraming}. */
  readonly framing: Framing;
  /** The viewer's minor version; HTTP/1.0 is told of a kept connection. */
  readonly minor: Minor;
}

/**
 * The response as it goes to the viewer, always as HTTP/1.1, with Content-Length or Transfer-Encoding and Connection set
 * anew. Interim responses (1xx) carry no framing; 101 carries Connection and Upgrade. HEAD and 304 keep the
 * Content-Length that they describe. Do not send interim responses to an HTTP/1.0 viewer.
 */
export function responseToViewer(head: ResponseHead, viewer: ViewerConnection): OutgoingResponse {
  const { status, reason, connection } = head;
  const headers = head.headers.without((key) => HOP_BY_HOP.has(key) || connection.includes(key));
  if (head.status === 101) {
    headers.delete("content-length");
    headers.append("Connection", "Upgrade");
    if (head.upgrade !== null) headers.append("Upgrade", head.upgrade);
    return { minor: 1, status, reason, headers };
  }
  const describesBody = viewer.framing.kind === "none" && !(neverHasBody(status) && status !== 304);
  if (!describesBody) setFraming(headers, viewer.framing);
  if (status < 200) return { minor: 1, status, reason, headers };
  const closes = !viewer.keepAlive || viewer.framing.kind === "until_close";
  if (closes) headers.append("Connection", "close");
  else if (viewer.minor === 0) headers.append("Connection", "keep-alive");
  return { minor: 1, status, reason, headers };
}

/** Makes the headers say this framing and nothing else. */
function setFraming(headers: HeaderList, framing: Framing): void {
  headers.delete("transfer-encoding");
  if (framing.kind === "length") return headers.set("Content-Length", String(framing.length));
  headers.delete("content-length");
  if (framing.kind === "chunked") headers.append("Transfer-Encoding", "chunked");
}

/** 100 (Continue), for an edge that takes the body before it has asked the origin. */
export const CONTINUE: OutgoingResponse = Object.freeze({
  minor: 1 as const,
  status: 100,
  reason: "Continue",
  headers: new HeaderList(),
});
