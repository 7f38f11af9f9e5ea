/** Host and port as text. */
import { formatHostPort, ipBytes } from "../bytes/mod.ts";

/** A TCP address. `host` is a name or an IP address without brackets. */
export interface Address {
  readonly host: string;
  /** 0-65535; 0 asks the system for a free port where something listens. */
  readonly port: number;
}

/** A range of ports, both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Longest host name (RFC 1035 2.3.4). */
const maxHostChars = 253;

/** Reads `host:port`, `[ipv6]:port` or `:port` (all IPv4 addresses); undefined when it is none of them. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]*)):([0-9]{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const host = match[1] ?? (match[2] === "" ? "0.0.0.0" : match[2]);
  if (port > 65_535 || host.length > maxHostChars) return undefined;
  if (match[1] !== undefined && ipBytes(match[1]) === undefined) return undefined;
  return { host, port };
}

/** The inverse of {@link parseAddress}; IPv6 addresses get their brackets. */
export function formatAddress(address: Address): string {
  return formatHostPort(address.host, address.port);
}

/** Whether only this machine reaches the host: localhost, 127.0.0.0/8, ::1 (also in the brackets that a URL has). */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1" || name === "0:0:0:0:0:0:0:1") {
    return true;
  }
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
