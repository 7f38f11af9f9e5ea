/**
 * The serving end of private channels, as the rest of the agent sees it: it gets the grant of a channel that control
 * offers, and the service that the channel is for.
 */
import type { Address } from "../src/config/mod.ts";
import type { ChannelInitGrant } from "../src/grants/mod.ts";

/** Where streams of a private channel lead. */
export interface PrivateTarget {
  /** Name of the service, for logs and metrics. */
  readonly name: string;
  /** What the target speaks. */
  readonly protocol: "http" | "tcp" | "udp";
  readonly address: Address;
}

/** What control tells the other endpoint of this one. */
export interface AcceptedGrant {
  /** Static public key by which this endpoint will prove itself: base64url of 32 bytes. */
  readonly staticKey: string;
}

export interface PrivateEndpoint {
  /**
   * Takes a grant for role `server`, checks it, and opens its channel from then on by itself. Resolves as soon as it will try,
   * before the channel stands: the other endpoint waits for that.
   * @throws PosternError `grant_*`, or why there is no room for another channel
   */
  accept(grant: ChannelInitGrant, target: PrivateTarget): Promise<AcceptedGrant>;
}
