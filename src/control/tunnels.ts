/** Creating, re-creating, deleting and listing tunnels. */
import { networkOf, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import {
  type IssuedToken,
  issueRecreate,
  issueStage0,
  minRecreateTtlSeconds,
  type Tier,
  type Transport,
  type TunnelProtocol,
} from "../identity/mod.ts";
import type { Revised, TunnelClaim, TunnelRecord } from "../ports/mod.ts";
import {
  assertApplicable,
  clampRules,
  formatRules,
  noRules,
  readRules,
  type ServiceRules,
} from "../rules/mod.ts";
import { type Choice, chooseEdges } from "./candidates.ts";
import { controlAudience, type ControlDeps, type DeletionReason } from "./config.ts";
import { anonymousPrefix, authorizationRequired, type Credentials } from "./credentials.ts";
import { checkName, pairedName, randomName, wildcardBase } from "./names.ts";

/** Random names that are tried before giving up; one collision is unlikely already. */
const maxNameAttempts = 8;
/** Unknown members that a note names. */
const maxToldMembers = 8;

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

export interface CreatedTunnel {
  readonly tunnel: TunnelRecord;
  readonly hostname: string;
  readonly choice: Choice;
  readonly candidatesExpireAtMs: number;
  readonly ephemeral: IssuedToken;
  readonly recreate: IssuedToken;
  readonly note: string | undefined;
  /** Of the rules that the request has set; undefined when it set none. */
  readonly rulesRevision: number | undefined;
}

/** Creates a tunnel, or gives fresh tokens for one that the credentials own. */
export async function createTunnel(
  deps: ControlDeps,
  request: CreateRequest,
  credentials: Credentials,
): Promise<CreatedTunnel> {
  // Refused for its form, or for lack of an edge, before a name is claimed.
  const clamped = request.rules === undefined ? undefined : clampRules(readRules(request.rules));
  const rules = clamped?.rules;
  const choice = chooseEdges(deps.edges(), request.regionHint, request.preferredTransports);
  const ttl = clampTtl(deps, request.recreateTtlSeconds);
  const nowMs = deps.clock.wall();
  const heldUntilMs = nowMs + ttl.seconds * 1_000;
  const { tunnel: found, fresh } = credentials.recreate === undefined
    ? await claimOrReuse(deps, request, credentials, heldUntilMs, rules)
    : { tunnel: await recreated(deps, request, credentials, credentials.recreate), fresh: false };
  if (!fresh && !await deps.store.holdTunnel(found.tunnelId, heldUntilMs)) throw gone();
  const actor = credentials.management?.sub ?? found.owner;
  const tunnel = fresh ? found : await changeTier(deps, found, request.requireTier, credentials);
  const held = fresh ? tunnel.rules : await changeRules(deps, tunnel, rules, actor);
  await audit(
    deps,
    actor,
    fresh ? "tunnel.create" : "tunnel.recreate",
    tunnel.tunnelId,
    {
      name: tunnel.name,
      protocol: tunnel.protocol,
    },
  );
  const missing = choice.missing.length === 0 ? [] : [`no edge offers ${choice.missing.join(", ")}`];
  const notes = [
    ...ttl.notes,
    ...clamped?.notes ?? [],
    ...missing,
    ...unknownNotes(request.unknownMembers ?? []),
  ];
  return {
    tunnel,
    hostname: hostnameOf(deps, tunnel),
    choice,
    candidatesExpireAtMs: nowMs + deps.config.candidatesMs,
    ...await issueTokens(deps, tunnel, choice, {
      recreateTtlSeconds: ttl.seconds,
      weight: request.weight ?? 1,
      family: credentials.management?.family ?? credentials.recreate?.family,
    }),
    note: notes.length === 0 ? undefined : notes.join("; "),
    rulesRevision: rules === undefined ? undefined : held?.revision ?? 0,
  };
}

/**
 * The newest registration wins for the name: all agents of one name are held to the same rules. Before tokens are
 * issued, so that no session begins under rules that its agent has just replaced.
 */
async function changeRules(
  deps: ControlDeps,
  tunnel: TunnelRecord,
  rules: ServiceRules | undefined,
  actor: string,
): Promise<Revised<string> | undefined> {
  if (rules === undefined) return tunnel.rules;
  assertApplicable(rules, tunnel.protocol);
  const value = formatRules(rules);
  if (value === (tunnel.rules?.value ?? formatRules(noRules))) return tunnel.rules;
  const held = await deps.store.setTunnelRules(tunnel.tunnelId, value);
  if (held === undefined) throw gone();
  deps.events.onRulesChanged(tunnel.tunnelId, held);
  const facts = {
    name: tunnel.name,
    revision: String(held.revision),
    members: Object.keys(rules).join(",") || "none",
  };
  deps.log("info", "rules of a service changed", { tunnel_id: tunnel.tunnelId, ...facts });
  await audit(deps, actor, "tunnel.rules", tunnel.tunnelId, facts);
  return held;
}

/**
 * Anybody who may publish the tunnel may demand more of its agents, but less only its owner: whoever has the disk of an agent
 * has its recreate token. Throws `require_tier_locked`.
 */
async function changeTier(
  deps: ControlDeps,
  tunnel: TunnelRecord,
  wanted: Tier | undefined,
  { management }: Credentials,
): Promise<TunnelRecord> {
  const requireTier = wanted === "tpm" ? wanted : undefined;
  if (wanted === undefined || requireTier === tunnel.requireTier) return tunnel;
  const isOwner = tunnel.anonymous || management?.sub === tunnel.owner || management?.role === "operator";
  if (requireTier === undefined && !isOwner) {
    throw new PosternError(
      "require_tier_locked",
      "Cannot demand less of agents: only the tunnel's owner may",
    );
  }
  if (!await deps.store.setTunnelTier(tunnel.tunnelId, requireTier ?? null)) throw gone();
  if (requireTier !== undefined) deps.events.onTierRequired?.(tunnel.tunnelId);
  const facts = { name: tunnel.name, require_tier: requireTier ?? "none" };
  deps.log("info", "tier that a service demands changed", { tunnel_id: tunnel.tunnelId, ...facts });
  await audit(deps, management?.sub ?? tunnel.owner, "tunnel.tier", tunnel.tunnelId, facts);
  const { requireTier: _, ...rest } = tunnel;
  return { ...rest, ...(requireTier === undefined ? {} : { requireTier }) };
}

/** What was not understood is told: a misspelt member must not look as if it worked. */
function unknownNotes(members: readonly string[]): string[] {
  if (members.length === 0) return [];
  const shown = members.slice(0, maxToldMembers).map((member) => JSON.stringify(member.slice(0, 64)));
  const rest = members.length - shown.length;
  return [`unknown members were passed over: ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`];
}

/** Deletes a tunnel of the credentials' owner. Throws `authorization_required`, `tunnel_not_found`. */
export async function deleteTunnel(
  deps: ControlDeps,
  tunnelId: string,
  credentials: Credentials,
): Promise<void> {
  const { management, recreate } = credentials;
  if (management === undefined && recreate === undefined) throw authorizationRequired();
  const tunnel = await deps.store.tunnel(tunnelId);
  const mayDelete = tunnel !== undefined && (
    management?.role === "operator" || management?.sub === tunnel.owner ||
    // Not one of before the tunnel had an account.
    recreate?.sub === tunnelId && recreate.owner === tunnel.owner
  );
  // One answer for "not there" and "not yours": ids of others are not to be probed.
  if (!mayDelete || !await deps.store.deleteTunnel(tunnelId)) {
    throw new PosternError("tunnel_not_found", "Cannot delete tunnel: there is none of yours with this id");
  }
  await announceDeletion(deps, tunnel, management?.sub ?? tunnel.owner, "deleted");
}

/** Deletes an anonymous tunnel that nobody holds or serves any more; false when it is not abandoned. */
export async function deleteAbandoned(deps: ControlDeps, tunnel: TunnelRecord): Promise<boolean> {
  const heldBeforeMs = deps.clock.wall() - deps.config.tokens.clockSkewMs;
  if (!tunnel.anonymous || tunnel.heldUntilMs >= heldBeforeMs) return false;
  if ((await deps.presence(tunnel.tunnelId)).status === "online") return false;
  if (!await deps.store.deleteTunnel(tunnel.tunnelId, heldBeforeMs)) return false;
  await announceDeletion(deps, tunnel, "control", "abandoned");
  return true;
}

export function hostnameOf(deps: Pick<ControlDeps, "config">, tunnel: TunnelRecord): string {
  return `${tunnel.name}.${deps.config.publicDomain}`;
}

export function gone(): PosternError {
  return new PosternError("tunnel_gone", "Cannot use token: its tunnel does not exist any more");
}

async function recreated(
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
    await audit(deps, account, "tunnel.adopt", tunnelId, { name });
  }
  return now;
}

async function claimOrReuse(
  deps: ControlDeps,
  request: CreateRequest,
  { management }: Credentials,
  heldUntilMs: number,
  rules: ServiceRules | undefined,
): Promise<{ tunnel: TunnelRecord; fresh: boolean }> {
  if (management === undefined && !deps.config.anonymousTunnels) throw authorizationRequired();
  const { requestedName } = request;
  if (requestedName !== undefined) {
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
    pairedName: pairedName(name),
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

async function issueTokens(
  deps: ControlDeps,
  tunnel: TunnelRecord,
  choice: Choice,
  { recreateTtlSeconds, weight, family }: {
    readonly recreateTtlSeconds: number;
    readonly weight: number;
    readonly family: string | undefined;
  },
): Promise<{ ephemeral: IssuedToken; recreate: IssuedToken }> {
  const { config, keyset, random } = deps;
  const issue = { nowMs: deps.clock.wall(), random };
  const ephemeral = await issueStage0(
    {
      iss: config.issuer,
      aud: [...config.edgeAudience],
      sub: tunnel.tunnelId,
      hostnames: tunnel.protocol === "http" ? [hostnameOf(deps, tunnel)] : [],
      tls_hostnames: tunnel.protocol === "tls" ? [hostnameOf(deps, tunnel)] : [],
      tcp_ports: portsOf(tunnel, "tcp"),
      udp_ports: portsOf(tunnel, "udp"),
      weight,
      protocol: tunnel.protocol,
      transports: [...new Set(choice.edges.map((edge) => edge.transport))],
      ...(tunnel.requireTier === undefined ? {} : { require_tier: tunnel.requireTier }),
      handshake_max_age_seconds: Math.ceil(config.handshakeMaxAgeMs / 1_000),
    },
    keyset,
    { ...issue, ttlSeconds: Math.floor(config.tokens.stage0Ms / 1_000) },
  );
  const recreate = await issueRecreate(
    {
      iss: config.issuer,
      aud: controlAudience,
      sub: tunnel.tunnelId,
      name: tunnel.name,
      owner: tunnel.owner,
      ...(family === undefined ? {} : { family }),
    },
    keyset,
    { ...issue, ttlSeconds: recreateTtlSeconds },
  );
  deps.events.onTokenIssued?.("stage0");
  deps.events.onTokenIssued?.("recreate");
  return { ephemeral, recreate };
}

function portsOf(tunnel: TunnelRecord, protocol: TunnelProtocol): number[] {
  return tunnel.protocol === protocol && tunnel.publicPort !== undefined ? [tunnel.publicPort] : [];
}

function clampTtl(deps: ControlDeps, wanted: number | undefined): { seconds: number; notes: string[] } {
  const max = Math.floor(deps.config.tokens.recreateMaxMs / 1_000);
  const asked = wanted ?? Math.floor(deps.config.tokens.recreateMs / 1_000);
  const seconds = Math.min(Math.max(asked, minRecreateTtlSeconds), max);
  const notes = wanted === undefined || wanted === seconds
    ? []
    : [`recreate_token_ttl_seconds was set to ${seconds} (allowed: ${minRecreateTtlSeconds} to ${max})`];
  return { seconds, notes };
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

async function announceDeletion(
  deps: ControlDeps,
  tunnel: TunnelRecord,
  actor: string,
  reason: DeletionReason,
): Promise<void> {
  // First the cut, then the paperwork: a failing audit must not leave a deleted tunnel served.
  deps.events.onTunnelDeleted(tunnel.tunnelId, reason);
  await audit(deps, actor, "tunnel.delete", tunnel.tunnelId, { name: tunnel.name, reason });
}

async function audit(
  deps: ControlDeps,
  actor: string,
  action: string,
  subject: string,
  detail: Record<string, string>,
): Promise<void> {
  await deps.store.appendAudit({ atMs: deps.clock.wall(), actor, action, subject, outcome: "ok", detail });
}
