/** By which of its sessions a grant goes to an agent. */
import { codeOf } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { AgentSession } from "./agent_session.ts";
import { offline } from "./session_offers.ts";

/** An agent that comes to a private channel. */
export interface PrivateOfferTaken {
  readonly agentId: string;
  /** Its endpoint's static public key, base64url of 32 bytes. */
  readonly staticKey: string;
}

/**
 * Asks by one of the agent's sessions, and by another one only where that has gone: an agent is not asked twice.
 * @param ask resolves with the static key of the agent's endpoint
 * @throws PosternError `private_service_offline`, `private_offer_refused`, `private_offer_timeout`, `private_offer_limit`
 */
export async function offerToAgent(
  sessions: readonly AgentSession[],
  agentId: string,
  grant: ChannelInitGrant,
  ask: (session: AgentSession, grant: ChannelInitGrant) => Promise<string>,
): Promise<PrivateOfferTaken> {
  let failure: unknown = offline();
  for (const session of sessions) {
    if (session.agentId !== agentId || !session.isOnline) continue;
    try {
      const staticKey = await ask(session, grant);
      session.requests++;
      return { agentId, staticKey };
    } catch (error) {
      failure = error;
      if (codeOf(error) !== "private_service_offline") break;
    }
  }
  throw failure;
}
