/** What a channel is made of. */
import type { UnreadBudget } from "../mux/mod.ts";
import type { SealingCore } from "../ports/mod.ts";
import type { ChannelEvents } from "./events.ts";
import type { HandshakeInitiator, HandshakeResponder } from "./handshake.ts";
import type { CarrierPlace } from "./handshake_payload.ts";
import type { ChannelLimits } from "./limits.ts";

export interface ChannelOptions {
  readonly role: ChannelRole;
  readonly core: SealingCore;
  readonly limits: ChannelLimits;
  readonly events: ChannelEvents;
  /** The bound on unread bytes that this channel shares with others. */
  readonly unread?: UnreadBudget;
}

/** Who this side is in the handshake. */
export type ChannelRole =
  | {
    readonly side: "initiator";
    readonly handshake: HandshakeInitiator;
    readonly stage0Token: string;
    readonly version: string;
    /** Session that this channel takes over in an orderly way. */
    readonly replaces?: string;
    /** Its place among the agent's other channels for the service; undefined for an only one. */
    readonly carrier?: CarrierPlace;
  }
  | {
    readonly side: "responder";
    readonly handshake: HandshakeResponder;
    readonly edgeId: string;
    readonly version: string;
  };
