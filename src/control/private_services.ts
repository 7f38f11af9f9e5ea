/** Who may open channels to which private service. */
import { PosternError } from "../errors/mod.ts";
import { claimedKind, type Role } from "../identity/mod.ts";
import type { TunnelRecord } from "../ports/mod.ts";
import { parseRules } from "../rules/mod.ts";
import type { ControlDeps } from "./config.ts";
import { requireManagement } from "./credentials.ts";
import { attestationOf } from "./live_attestation.ts";
import { gone } from "./tunnel_terms.ts";

/** Who asks for a channel. */
export interface Requester {
  readonly owner: string;
  readonly role: Role;
  /** The agent that asks by its attestation, which stands. */
  readonly agentId?: string;
  readonly attestationId?: string;
}

/**
 * Whoever shows a management token, or an agent that shows the reauth token of its attestation: it asks for the owner of
 * the service that it was attested for. Throws the codes of tokens and of {@link attestationOf}, `machine_revoked`,
 * `authorization_required`.
 */
export async function requesterOf(
  deps: ControlDeps,
  tokens: readonly (string | undefined)[],
): Promise<Requester> {
  const reauth = tokens.find((token) => token !== undefined && claimedKind(token) === "reauth");
  if (reauth === undefined) {
    const { sub, role } = await requireManagement(deps, tokens);
    return { owner: sub, role };
  }
  if (tokens.some((token) => token !== undefined && token !== reauth)) {
    throw new PosternError("credentials_ambiguous", "Cannot serve request: it carries two different tokens");
  }
  const { attestationId, tunnelId, agentId, tier } = await attestationOf(deps, reauth);
  const machine = await deps.store.machine(agentId);
  // A machine that is gone was revoked and deleted since it was judged.
  if (machine?.state === "revoked" || (tier === "tpm" && machine === undefined)) {
    throw new PosternError("machine_revoked");
  }
  const tunnel = await deps.store.tunnel(tunnelId);
  if (tunnel === undefined) throw gone();
  return { owner: tunnel.owner, role: "member", agentId, attestationId };
}

/**
 * The service that is called `name` by its owner, or `owner/name` by others. Throws `private_service_unknown`: not there,
 * and not for this requester, are alike.
 */
export async function privateServiceOf(
  { store }: Pick<ControlDeps, "store">,
  requester: Requester,
  service: string,
): Promise<TunnelRecord> {
  const slash = service.indexOf("/");
  const owner = slash < 0 ? requester.owner : service.slice(0, slash);
  const tunnel = await store.privateTunnel(owner, service.slice(slash + 1));
  if (tunnel !== undefined && mayConnect(requester, tunnel)) return tunnel;
  throw new PosternError(
    "private_service_unknown",
    "Cannot open channel: there is no private service of this name for you",
  );
}

/** Rules that this program cannot read let nobody else in. */
export function mayConnect(
  { owner, role }: Pick<Requester, "owner" | "role">,
  tunnel: Pick<TunnelRecord, "owner" | "rules">,
): boolean {
  if (owner === tunnel.owner || role === "operator") return true;
  if (tunnel.rules === undefined) return false;
  try {
    return parseRules(tunnel.rules.value).connect?.includes(owner) ?? false;
  } catch {
    return false;
  }
}
