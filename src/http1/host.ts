/** An authority without user information: `uri-host [":" port]` (RFC 9110 7.2). */
export interface Authority {
  /** Lower case, without port and without the root's trailing dot; IPv6 in brackets. Routes are looked up by it. */
  readonly hostname: string;
  /** Port as written, or null. */
  readonly port: number | null;
}

/** Longest name that the DNS can hold, as text. */
const MAX_HOSTNAME_LENGTH = 253;

/**
 * Parses a Host value or the authority of a target; null when it is not one.
 *
 * Narrower than RFC 3986: a name is letters, digits, `-`, `_` and single dots, since percent-encoding and sub-delims in
 * names only ever serve to confuse. No user information, no empty port.
 */
export function parseAuthority(text: string): Authority | null {
  const colon = text.charCodeAt(0) === 0x5b ? bracketEnd(text) : nameEnd(text);
  if (colon <= 0) return null;
  const port = colon === text.length ? null : parsePort(text, colon);
  if (port === undefined) return null;
  let hostname = text.slice(0, colon).toLowerCase();
  if (hostname.endsWith(".")) hostname = hostname.slice(0, -1);
  if (hostname.length > MAX_HOSTNAME_LENGTH) return null;
  return { hostname, port };
}

/** Whether two authorities name the same place under a scheme with this default port. */
export function sameAuthority(a: Authority, b: Authority, defaultPort: number): boolean {
  return a.hostname === b.hostname && (a.port ?? defaultPort) === (b.port ?? defaultPort);
}

/** Offset behind the name, or -1. */
function nameEnd(text: string): number {
  let labelLength = 0;
  let at = 0;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x3a) break;
    if (unit === 0x2e) {
      if (labelLength === 0) return -1;
      labelLength = 0;
    } else if (isNameUnit(unit)) {
      if (++labelLength > 63) return -1;
    } else return -1;
  }
  return at;
}

function isNameUnit(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit === 0x2d ||
    (unit >= 0x41 && unit <= 0x5a) || unit === 0x5f;
}

/** Offset behind an IPv6 literal, or -1. Rare, so the platform's URL parser may judge the address. */
function bracketEnd(text: string): number {
  const close = text.indexOf("]");
  const address = text.slice(1, Math.max(close, 1));
  if (!/^[0-9A-Fa-f:.]{2,45}$/.test(address) || !URL.canParse(`http://[${address}]/`)) return -1;
  return close + 1;
}

/** Port behind the colon at `colon`; undefined when malformed. */
function parsePort(text: string, colon: number): number | undefined {
  const digits = text.slice(colon + 1);
  if (text[colon] !== ":" || !/^[1-9][0-9]{0,4}$/.test(digits)) return undefined;
  const port = Number(digits);
  return port <= 65535 ? port : undefined;
}
