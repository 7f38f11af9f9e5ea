/** What a tunnel demands: its rules, and the tier of its agents. */
import { PosternError } from "../errors/mod.ts";
import type { Tier } from "../identity/mod.ts";
import type { Revised, TunnelRecord } from "../ports/mod.ts";
import { assertApplicable, formatRules, noRules, type ServiceRules } from "../rules/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps } from "./config.ts";
import type { Credentials } from "./credentials.ts";

/**
 * The newest registration wins for the name: all agents of one name are held to the same rules. Before tokens are
 * issued, so that no session begins under rules that its agent has just replaced.
 */
export async function changeRules(
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
  await audit(deps, { actor, action: "tunnel.rules", subject: tunnel.tunnelId, detail: facts });
  return held;
}

/**
 * Anybody who may publish the tunnel may demand more of its agents, but less only its owner: whoever has the disk of an agent
 * has its recreate token. Throws `require_tier_locked`.
 */
export async function changeTier(
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
  await audit(deps, {
    actor: management?.sub ?? tunnel.owner,
    action: "tunnel.tier",
    subject: tunnel.tunnelId,
    detail: facts,
  });
  const { requireTier: _, ...rest } = tunnel;
  return { ...rest, ...(requireTier === undefined ? {} : { requireTier }) };
}

export function gone(): PosternError {
  return new PosternError("tunnel_gone", "Cannot use token: its tunnel does not exist any more");
}
