/**
 * What tokens of another issuer may name at this edge. Its own control knows nothing of them: no tunnel, no owner. The
 * edge takes their subject for all of that, made distinct from what its own control gives out:
 *
 * ```
 *   x-<12 characters of the issuer's digest>:<sub>
 * ```
 */
import { toBase64Url, utf8 } from "../bytes/mod.ts";
import type { PortRange } from "../config/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Stage0Claims } from "../identity/mod.ts";
import type { RouteClaim } from "../ports/mod.ts";

/** How long a route stays with its subject after a token named it (ms). */
const FOREIGN_ROUTE_MS = 30 * 86_400_000;
/** Ids of tunnels are identifiers of at most 128 characters. */
const MAX_SUBJECT_CHARS = 128;

const PREFIX = "x-";
/** One label, or `*.` and one: as tunnels of control have them, whose names these share. */
const NAME = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether a tunnel id stands for a subject of another issuer. */
export function isForeignSubject(tunnelId: string): boolean {
  return tunnelId.startsWith(PREFIX);
}

/** What is made distinct from what others give out. */
interface Named {
  readonly iss: string;
  readonly sub: string;
  readonly attestation_id?: string;
}

/** Claims of another issuer as the edge holds them. Throws `token_claims_invalid` for a subject that is too long. */
export async function withForeignSubject<C extends Named>(claims: C): Promise<C> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(claims.iss)));
  const scope = `${PREFIX}${toBase64Url(digest).slice(0, 12)}`;
  const sub = `${scope}:${claims.sub}`;
  if (sub.length > MAX_SUBJECT_CHARS) {
    throw new PosternError("token_claims_invalid", "Cannot accept token: its subject is too long", {
      detail: { claim: "sub" },
    });
  }
  const { attestation_id: id } = claims;
  return id === undefined ? { ...claims, sub } : { ...claims, sub, attestation_id: `${scope}:${id}` };
}

/** The part of a token that says where viewers come in. */
export type ForeignRoutes = Pick<
  Stage0Claims,
  "sub" | "hostnames" | "tls_hostnames" | "tcp_ports" | "udp_ports"
>;

export interface OwnRoutes {
  readonly publicDomain: string;
  readonly tcpPorts: PortRange | null;
  readonly udpPorts: PortRange | null;
}

/**
 * The routes of a token as they are kept. Throws `token_hostname_foreign`, `token_port_foreign`.
 * @param nowMs wall clock
 */
export function claimOfRoutes(claims: ForeignRoutes, own: OwnRoutes, nowMs: number): RouteClaim {
  const hostnames = new Set([...claims.hostnames, ...claims.tls_hostnames]);
  const names = [...hostnames].map((hostname) => nameOf(hostname, own.publicDomain));
  refusePorts(claims.tcp_ports, own.tcpPorts, "tcp");
  refusePorts(claims.udp_ports, own.udpPorts, "udp");
  return {
    subject: claims.sub,
    names,
    pairedNames: names.map((name) => name.startsWith("*.") ? name.slice(2) : `*.${name}`),
    tcpPorts: claims.tcp_ports,
    udpPorts: claims.udp_ports,
    nowMs,
    forgetBeforeMs: nowMs - FOREIGN_ROUTE_MS,
  };
}

function nameOf(hostname: string, publicDomain: string): string {
  const suffix = `.${publicDomain}`;
  const name = hostname.endsWith(suffix) ? hostname.slice(0, -suffix.length) : "";
  // Control itself may be reached by its name.
  if (NAME.test(name) && name !== "control" && name !== "*.control") return name;
  throw new PosternError("token_hostname_foreign", "Cannot accept token: a hostname is not of this edge", {
    detail: { hostname },
  });
}

function refusePorts(ports: readonly number[], range: PortRange | null, protocol: string): void {
  for (const port of ports) {
    if (range !== null && port >= range.first && port <= range.last) continue;
    throw new PosternError("token_port_foreign", "Cannot accept token: a public port is not of this edge", {
      detail: { port, protocol },
    });
  }
}
