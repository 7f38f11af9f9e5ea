/** Switching protocols (RFC 9110 7.8, RFC 6455 4). */
import { PosternError } from "../errors/mod.ts";
import type { Framing } from "./framing.ts";
import { isToken, listElements, type Minor } from "./head.ts";
import type { HeaderList } from "./header_list.ts";

/**
 * Protocols that would turn the connection into HTTP or TLS once more, where the edge's routing and header rules could
 * not follow (h2c smuggling). Their Upgrade is ignored, as RFC 9110 7.8 lets every server do.
 */
const NEVER_UPGRADED = /^(h2|h2c|h3|http|https|tls)(\/|$)/;

/**
 * The one protocol, in lower case, that a request wants to switch to and may; null for an ordinary request.
 *
 * Throws `http_bad_upgrade` for an Upgrade that Connection does not nominate: the next hop might honour what this hop
 * took for an ordinary request.
 */
export function requestedUpgrade(
  method: string,
  minor: Minor,
  headers: HeaderList,
  connection: readonly string[],
  framing: Framing,
): string | null {
  // `Connection: upgrade` without Upgrade is harmless, and what many a proxy in front of us sends with every request.
  if (!headers.has("upgrade")) return null;
  if (!connection.includes("upgrade")) throw badUpgrade("Connection does not nominate it");
  const protocols = headers.getAll("upgrade").flatMap(listElements);
  if (protocols.length === 0 || !protocols.every(isProtocol)) throw badUpgrade("it names no protocol");
  // HTTP/1.0 cannot upgrade; a choice of several is the server's to ignore; bytes of a body would be ambiguous.
  const hasBody = framing.kind === "chunked" || (framing.kind === "length" && framing.length > 0);
  if (minor === 0 || protocols.length > 1 || hasBody) return null;
  const protocol = protocols[0].toLowerCase();
  if (NEVER_UPGRADED.test(protocol)) return null;
  return protocol === "websocket" && method !== "GET" ? null : protocol;
}

/** The protocol that a 101 response switches to; throws `http_bad_upgrade` when it does not say one. */
export function acceptedUpgrade(headers: HeaderList, connection: readonly string[]): string {
  const protocols = headers.getAll("upgrade").flatMap(listElements);
  if (protocols.length !== 1 || !isProtocol(protocols[0])) throw badUpgrade("101 names no single protocol");
  if (!connection.includes("upgrade")) throw badUpgrade("101 without Connection: upgrade");
  return protocols[0].toLowerCase();
}

function isProtocol(text: string): boolean {
  return text.split("/", 3).every(isToken);
}

function badUpgrade(why: string): PosternError {
  return new PosternError("http_bad_upgrade", `Cannot read Upgrade: ${why}`);
}
