/** Keep-alive (RFC 9112 9.3): whether a connection can carry another message after this one. */
import { neverHasBody } from "./body.ts";
import { keepsAlive } from "./head.ts";
import type { RequestHead } from "./request_head.ts";
import type { ResponseHead } from "./response_head.ts";

/**
 * Whether the sender of this head will keep its connection afterwards.
 *
 * False for a request that asks for an upgrade: what follows it may be meant for the new protocol, and must not be read
 * as a request when the upgrade is declined. False for a response that announces a body its status cannot have: what
 * follows may be that body. A response whose body ends with the stream must be checked by its framing as well.
 */
export function persistent(head: RequestHead | ResponseHead): boolean {
  if ("method" in head) return head.upgrade === null && keepsAlive(head.connection, head.minor);
  if (head.status === 101 || !keepsAlive(head.connection, head.minor)) return false;
  const announcesBody = head.chunked || (head.contentLength ?? 0) > 0;
  return !(announcesBody && neverHasBody(head.status) && head.status !== 304);
}
