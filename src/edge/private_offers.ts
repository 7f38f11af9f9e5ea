/** Which agent of a private service a grant goes to. */
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
 * Asks the sessions one after the other, those with the fewest streams first, until one takes the grant. Only an agent
 * that said no, or has gone, is passed over: of one that says nothing it is not known whether it comes.
 * @param ask resolves with the static key of the agent's endpoint
 * @throws PosternError `private_service_offline`, `private_offer_refused`, `private_offer_timeout`, `private_offer_limit`
 */
export async function offerToOne(
  sessions: readonly AgentSession[],
  grant: ChannelInitGrant,
  ask: (session: AgentSession, grant: ChannelInitGrant) => Promise<string>,
): Promise<PrivateOfferTaken> {
  const online = sessions.filter((session) => session.isOnline)
    .sort((a, b) => a.requests - b.requests || b.since - a.since);
  let failure: unknown = offline();
  for (const session of online) {
    try {
      const staticKey = await ask(session, grant);
      session.requests++;
      return { agentId: session.agentId, staticKey };
    } catch (error) {
      failure = error;
      if (codeOf(error) === "private_offer_timeout" || codeOf(error) === "worker_unavailable") break;
    }
  }
  throw failure;
}
