/** How grants reach the agents of private services; done by whoever holds their channels. */
import type { ChannelInitGrant } from "../grants/mod.ts";

/** An agent that serves a private service now, and the edge where both endpoints of a channel to it come. */
export interface ServingEdge {
  /** The attach token is the agent's own: what ends its channels ends this one. */
  readonly agentId: string;
  readonly edgeId: string;
  /** Process of another edge; undefined: this one. */
  readonly instanceId: string | undefined;
  /** The edge's Noise static public key, base64url of 32 bytes. */
  readonly publicKey: string;
  readonly tunnelUrl: string;
}

/** The agent that will come. */
export interface OfferTaken {
  readonly agentId: string;
  /** Its endpoint's static public key, base64url of 32 bytes. */
  readonly staticKey: string;
}

export interface GrantDelivery {
  /** An agent with little to do, and none of `except`; undefined when no other that is online serves the tunnel. */
  locate(tunnelId: string, except: ReadonlySet<string>): Promise<ServingEdge | undefined>;
  /**
   * Hands the server's grant to that agent, and waits for its answer.
   * @throws PosternError `private_service_offline`, `private_offer_refused`, `private_offer_timeout`, `private_offer_limit`
   */
  offer(edge: ServingEdge, tunnelId: string, grant: ChannelInitGrant): Promise<OfferTaken>;
}
