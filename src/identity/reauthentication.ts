/** What a new proof on a channel that stands has to agree with: nothing is gained by it but time. */
import { PosternError } from "../errors/mod.ts";
import { satisfiesTier, type Stage1Claims, type Tier } from "./claims.ts";
import { type ChannelFacts, matchStages } from "./stages.ts";

/** Time for a proof beyond all that an edge waits: it may be under way, and clocks differ. */
const slackMs = 120_000;

/** Longest time from one proof to the next that an edge grants: interval with jitter, what may be put off, and grace. */
export function reauthLifeMs(
  { intervalMs, graceMs, maintenanceCapMs }: {
    readonly intervalMs: number;
    readonly graceMs: number;
    readonly maintenanceCapMs: number;
  },
): number {
  return Math.ceil(intervalMs * 1.2) + maintenanceCapMs + graceMs + slackMs;
}

/** Throws `reauth_weaker_tier` when the key is kept less well than it was. */
export function assertTierHeld(before: Tier, now: Tier): void {
  if (satisfiesTier(now, before)) return;
  throw new PosternError("reauth_weaker_tier", `Cannot accept proof: ${now} is weaker than ${before}`);
}

/**
 * Refuses a verified stage 1 token that does not renew the one by which the session stands.
 * @param channel the nonce and the transcript of this re-authentication, and the agent's static key
 * Throws `stage1_wrong_nonce`, `stage1_wrong_channel`, `stage1_wrong_routes`, `reauth_wrong_agent`, `reauth_weaker_tier`.
 */
export function matchReauth(session: Stage1Claims, fresh: Stage1Claims, channel: ChannelFacts): void {
  matchStages(session, fresh, channel);
  if (fresh.agent_id !== session.agent_id || fresh.attestation_id !== session.attestation_id) {
    throw new PosternError(
      "reauth_wrong_agent",
      "Cannot accept proof: it is of another agent, or attestation",
    );
  }
  assertTierHeld(session.tier, fresh.tier);
}
