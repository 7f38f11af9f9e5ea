/** Who gets a name: a new tunnel, one that the credentials own already, or one that a recreate token stands for. */
import { networkOf, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Tier, Transport, TunnelProtocol } from "../identity/mod.ts";
import type { TunnelClaim, TunnelRecord } from "../ports/mod.ts";
import { assertApplicable, formatRules, type ServiceRules } from "../rules/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps } from "./config.ts";
import { anonymousPrefix, authorizationRequired, type Credentials } from "./credentials.ts";
import { checkName, checkPrivateName, pairedName, randomName, wildcardBase } from "./names.ts";
import { deleteAbandoned } from "./tunnel_deletion.ts";
import { gone } from "./tunnel_terms.ts";

/** Random names that are tried before giving up; one collision is unlikely already. */
const maxNameAttempts = 8;

export interface CreateRequest {
  readonly requestedName?: string;
  readonly preferredTransports: readonly Transport[];
  readonly regionHint?: string;
  readonly recreateTtlSeconds?: number;
  /** http when absent, or what the tunnel has already. */
  readonly protocol?: TunnelProtocol;
  /** Share of requests among several agents of one name; 1 when absent. */
  readonly weight?: number;
  /** Peer's JSON: what edges are to hold for the service; absent: what they hold already. */
  readonly rules?: unknown;
  /** Weakest tier of agents that may serve it; absent: what it demands already. */
  readonly requireTier?: Tier;
  /** Members of the request that nobody knows. Peer text. */
  readonly unknownMembers?: readonly string[];
  readonly clientIp: string;
}

export async function recreated(
  deps: ControlDeps,
  request: CreateRequest,
  { management }: Credentials,
  token: NonNullable<Credentials["recreate"]>,
): Promise<TunnelRecord> {
  const tunnel = await deps.store.tunnel(token.sub);
  if (tunnel === undefined || tunnel.name !== token.name || tunnel.owner !== token.owner) throw gone();
  if (request.requestedName !== undefined && request.requestedName !== tunnel.name) {
    throw new PosternError("name_mismatch", "Cannot recreate tunnel: the token is for another name");
  }
  assertProtocol(request, tunnel);
  return tunnel.anonymous && management !== undefined ? await adopted(deps, tunnel, management.sub) : tunnel;
}

/**
 * Whoever proves both an anonymous tunnel and an account has it for that account from then on: its limits count, and its
 * revocation ends it. Recreate tokens of before are void.
 */
async function adopted(deps: ControlDeps, tunnel: TunnelRecord, account: string): Promise<TunnelRecord> {
  const { tunnelId, name } = tunnel;
  const outcome = await deps.store.adoptTunnel(tunnelId, account, deps.config.limits.maxTunnelsPerOwner);
  if (outcome === "too_many") throw limitReached();
  const now = await deps.store.tunnel(tunnelId);
  // Of two requests at once one adopts; the other is the same account's, or comes too late.
  if (now?.owner !== account) throw gone();
  if (outcome === "adopted") {
    deps.log("info", "anonymous tunnel has an owner now", { tunnel_id: tunnelId, name, owner: account });
    await audit(deps, { actor: account, action: "tunnel.adopt", subject: tunnelId, detail: { name } });
  }
  return now;
}

export async function claimOrReuse(
  deps: ControlDeps,
  request: CreateRequest,
  { management }: Credentials,
  heldUntilMs: number,
  rules: ServiceRules | undefined,
): Promise<{ tunnel: TunnelRecord; fresh: boolean }> {
  const { requestedName } = request;
  const isPrivate = request.protocol === "private";
  // A private service is somebody's: its name means nothing without its owner's.
  if (management === undefined && (isPrivate || !deps.config.anonymousTunnels)) throw authorizationRequired();
  if (requestedName !== undefined && isPrivate) checkPrivateName(requestedName);
  else if (requestedName !== undefined) {
    checkName(requestedName, deps.config.reservedNames);
    if (management === undefined && wildcardBase(requestedName) !== undefined) throw authorizationRequired();
  }
  for (let attempt = 0; attempt < maxNameAttempts; attempt++) {
    const name = requestedName ?? randomName(deps.random);
    const claimed = await deps.store.claimTunnel(
      claimOf(deps, request, name, management?.sub, heldUntilMs, rules),
    );
    switch (claimed.outcome) {
      case "created":
        return { tunnel: claimed.tunnel, fresh: true };
      case "too_many":
        throw limitReached();
      case "no_port":
        throw new PosternError(
          request.protocol === "udp" ? "udp_ports_exhausted" : "tcp_ports_exhausted",
          "Cannot create tunnel: no public port is left",
        );
      case "name_taken":
        if (requestedName === undefined) break;
        if (management !== undefined && claimed.holder.owner === management.sub) {
          assertProtocol(request, claimed.holder);
          return { tunnel: claimed.holder, fresh: false };
        }
        if (!await deleteAbandoned(deps, claimed.holder)) throw nameTaken(name);
        break;
      default:
        claimed satisfies never;
    }
  }
  throw nameTaken(requestedName);
}

function claimOf(
  deps: ControlDeps,
  request: CreateRequest,
  name: string,
  account: string | undefined,
  heldUntilMs: number,
  rules: ServiceRules | undefined,
): TunnelClaim {
  const { config } = deps;
  const tunnelId = `tun_${toBase64Url(deps.random(12))}`;
  const protocol = request.protocol ?? "http";
  const ports = protocol === "tcp" ? config.tcpPorts : protocol === "udp" ? config.udpPorts : undefined;
  if (ports === null) {
    throw new PosternError("protocol_unavailable", `Cannot create tunnel: ${protocol} is not offered here`);
  }
  if (rules !== undefined) assertApplicable(rules, protocol);
  const { maxTunnelsPerOwner, maxAnonymousTunnels, maxTunnelsPerAddress } = config.limits;
  return {
    tunnelId,
    name,
    ...(protocol === "private" ? {} : { pairedName: pairedName(name) }),
    owner: account ?? `${anonymousPrefix}${tunnelId}`,
    anonymous: account === undefined,
    protocol,
    createdAtMs: deps.clock.wall(),
    heldUntilMs,
    maxTunnels: account === undefined ? maxAnonymousTunnels : maxTunnelsPerOwner,
    ...(account === undefined
      ? { from: { address: networkOf(request.clientIp), maxTunnels: maxTunnelsPerAddress } }
      : {}),
    ...(ports === undefined ? {} : { ports }),
    ...(rules === undefined || Object.keys(rules).length === 0 ? {} : { rules: formatRules(rules) }),
    ...(request.requireTier === "tpm" ? { requireTier: request.requireTier } : {}),
  };
}

function assertProtocol(request: CreateRequest, tunnel: TunnelRecord): void {
  if (request.protocol === undefined || request.protocol === tunnel.protocol) return;
  throw new PosternError("protocol_mismatch", `Cannot recreate tunnel: it is a ${tunnel.protocol} tunnel`);
}

/** @param name one that was found to be well-formed, or undefined when those that were made up are all taken */
function nameTaken(name: string | undefined): PosternError {
  const what = name === undefined ? "every name that was tried" : `the name "${name}"`;
  return new PosternError("name_taken", `Cannot create tunnel: ${what} is taken`);
}

function limitReached(): PosternError {
  return new PosternError("tunnel_limit_reached", "Cannot create tunnel: a limit on tunnels is reached");
}
