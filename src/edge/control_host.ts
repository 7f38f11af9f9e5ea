/** Names under which Postern itself is reached, and no service. */

/** Whether a host name is the base domain or control's below it. */
export function isControlName(hostname: string, publicHost: string): boolean {
  return hostname === publicHost || hostname === `control.${publicHost}`;
}
