/** From a header block to the request head that HTTP/1.1 would have had (RFC 9113 8.2 and 8.3, RFC 8441). */
import { PosternError } from "../errors/mod.ts";
import {
  CHUNKED,
  type Framing,
  HeaderList,
  listedRequestHead,
  NO_BODY,
  parseAuthority,
  type RequestHead,
  sameAuthority,
} from "../http1/mod.ts";
import type { HeaderBlock } from "./header_block.ts";

/** Fields that only HTTP/1.1 has (8.2.2): a gateway that passes them on lets them frame or route the next message. */
const CONNECTION_FIELDS = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

const PSEUDO_FIELDS = new Set([":method", ":scheme", ":authority", ":path", ":protocol"]);

/** Pseudo-header fields by name, and the fields that came behind them. */
interface Parts {
  readonly pseudo: Map<string, string>;
  readonly headers: HeaderList;
}

export interface RequestOptions {
  /** No body follows. */
  readonly ended: boolean;
  readonly maxTargetBytes: number;
  /** A fresh Sec-WebSocket-Key, for a WebSocket by extended CONNECT: the origin speaks HTTP/1.1 and wants one. */
  readonly webSocketKey: () => string;
}

/**
 * The request head. An extended CONNECT becomes the GET with Upgrade that means the same. Throws `http_*`,
 * `h2_bad_pseudo_header`, `h2_connection_field`, `h2_body_length`: the stream can be answered, the connection goes on.
 */
export function requestHead(block: HeaderBlock, options: RequestOptions): RequestHead {
  if (block.excess !== undefined) throw new PosternError(block.excess);
  const { pseudo, headers } = split(block);
  const method = pseudo.get(":method");
  if (method === undefined) throw badPseudo(":method is missing");
  const tunnel = method === "CONNECT";
  const protocol = pseudo.get(":protocol");
  if (tunnel && protocol === undefined) throw new PosternError("http_connect_refused");
  if (!tunnel && protocol !== undefined) throw badPseudo(":protocol belongs to CONNECT");
  if (tunnel && protocol !== "websocket") throw new PosternError("http_connect_refused");
  const scheme = pseudo.get(":scheme");
  const path = pseudo.get(":path");
  if (scheme === undefined || path === undefined) throw badPseudo(":scheme or :path is missing");
  if (scheme !== "https" && scheme !== "http") throw badPseudo(":scheme is neither https nor http");
  if (!path.startsWith("/") && path !== "*") {
    throw new PosternError(
      "http_bad_target",
      "Cannot read request target: :path does not begin with a slash",
    );
  }
  setHost(headers, pseudo.get(":authority"), scheme === "https" ? 443 : 80);
  joinCookies(headers);
  if (tunnel) {
    headers.deleteWhere((key) => key === "sec-websocket-key" || key === "content-length");
    headers.append("connection", "Upgrade");
    headers.append("upgrade", "websocket");
    headers.append("sec-websocket-key", options.webSocketKey());
    headers.set("sec-websocket-version", headers.get("sec-websocket-version") ?? "13");
  }
  const head = listedRequestHead(tunnel ? "GET" : method, path, headers, options.maxTargetBytes);
  return tunnel ? head : { ...head, framing: framingOf(head, options.ended) };
}

/** Trailer fields of a block. Throws `h2_bad_pseudo_header`, `h2_connection_field`, `http_trailers_too_large`. */
export function trailerFields(block: HeaderBlock): HeaderList {
  if (block.excess !== undefined) throw new PosternError("http_trailers_too_large");
  const { pseudo, headers } = split(block);
  if (pseudo.size > 0) throw badPseudo("trailers have one");
  return headers;
}

function split(block: HeaderBlock): Parts {
  const pseudo = new Map<string, string>();
  const headers = new HeaderList();
  for (let at = 0; at < block.names.length; at++) {
    const name = block.names[at];
    const value = block.values[at];
    if (name.charCodeAt(0) !== COLON) {
      if (CONNECTION_FIELDS.has(name) || (name === "te" && value.toLowerCase() !== "trailers")) {
        throw new PosternError(
          "h2_connection_field",
          `Cannot read head: ${name} is for HTTP/1.1 connections`,
        );
      }
      headers.append(name, value);
      continue;
    }
    if (headers.length > 0) throw badPseudo("one comes behind an ordinary field");
    if (!PSEUDO_FIELDS.has(name)) throw badPseudo("one is unknown");
    if (pseudo.has(name)) throw badPseudo(`${name} is repeated`);
    pseudo.set(name, value);
  }
  return { pseudo, headers };
}

const COLON = 0x3a;

/** :authority goes before Host, which may repeat it but never contradict (8.3.1). */
function setHost(headers: HeaderList, authority: string | undefined, defaultPort: number): void {
  if (authority === undefined) return;
  const named = parseAuthority(authority);
  if (named === null) throw new PosternError("http_bad_host", "Cannot read :authority: it is malformed");
  for (const host of headers.getAll("host")) {
    const other = parseAuthority(host);
    if (other === null || !sameAuthority(named, other, defaultPort)) {
      throw new PosternError("http_host_mismatch");
    }
  }
  headers.set("host", authority);
}

/** 8.2.3: crumbs are put together before they go where there is only one Cookie. */
function joinCookies(headers: HeaderList): void {
  const crumbs = headers.getAll("cookie");
  if (crumbs.length > 1) headers.set("cookie", crumbs.join("; "));
}

function framingOf(head: RequestHead, ended: boolean): Framing {
  const { framing } = head;
  if (!ended) return framing.kind === "length" ? framing : CHUNKED;
  if (framing.kind === "length" && framing.length > 0) {
    throw new PosternError(
      "h2_body_length",
      "Cannot read body: there is none, though Content-Length says so",
    );
  }
  return framing.kind === "length" ? framing : NO_BODY;
}

function badPseudo(why: string): PosternError {
  return new PosternError("h2_bad_pseudo_header", `Cannot read head: of its pseudo-header fields ${why}`);
}
