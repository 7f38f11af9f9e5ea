/** Names under which Postern itself is reached, and no service. */
import type { EdgeConfig } from "../config/mod.ts";

/** Whether a host name is the base domain, control's below it, or the edge's own. */
export function isControlName(
  hostname: string,
  { publicHost, edgeHost }: Pick<EdgeConfig, "publicHost" | "edgeHost">,
): boolean {
  return hostname === publicHost || hostname === edgeHost || hostname === `control.${publicHost}`;
}
