/** Who speaks on a connection and for whom a request is, whichever version of HTTP it came in. */
import type { EdgeConfig } from "../config/mod.ts";
import { acceptedRequestId, type RequestHead } from "../http1/mod.ts";
import type { TrustedProxies } from "./client_ip.ts";
import type { EdgeContext, Viewer } from "./context.ts";
import { isControlName } from "./control_host.ts";

/** The viewer of a request on a connection of a trusted proxy, which is `direct`. */
export function viewerBehind(proxies: TrustedProxies, direct: Viewer, head: RequestHead): Viewer {
  const { ip, address, scheme } = direct;
  const client = proxies.clientIp(ip, head.headers.getAll("x-forwarded-for"));
  const told = head.headers.get("x-forwarded-proto") === "https";
  return {
    ip: client,
    address: client === ip ? address : client,
    scheme: told ? "https" : scheme,
    proxied: true,
  };
}

/** Whether a host is Postern itself: the base domain, the edge's own name, or the address of the listener. */
export function isControlHost(
  hostname: string,
  config: Pick<EdgeConfig, "publicHost" | "edgeHost">,
): boolean {
  return isControlName(hostname, config) || /^[\d.]+$/.test(hostname) || hostname.startsWith("[") ||
    hostname === "";
}

/** The viewer's own request id, or a new one. */
export function requestIdOf(head: RequestHead, context: EdgeContext): string {
  return acceptedRequestId(head.headers.getAll("x-request-id")) ?? context.newRequestId();
}
