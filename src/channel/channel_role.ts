/** What a channel is made of. */
import type { UnreadBudget } from "../mux/mod.ts";
import type { SealingCore } from "../ports/mod.ts";
import type { ChannelEvents } from "./events.ts";
import type { HandshakeInitiator, HandshakeResponder } from "./handshake.ts";
import type { CarrierPlace } from "./handshake_payload.ts";
import type { ChannelLimits } from "./limits.ts";
import type { PrivateInitiator, PrivateResponder } from "./private_handshake.ts";

export interface ChannelOptions {
  readonly role: ChannelRole;
  readonly core: SealingCore;
  readonly limits: ChannelLimits;
  readonly events: ChannelEvents;
  /** The bound on unread bytes that this channel shares with others. */
  readonly unread?: UnreadBudget;
}

/** Who this side is in the handshake. */
export type ChannelRole = TunnelRole | PrivateRole;

/** Of a channel between an agent and an edge. */
export type TunnelRole =
  | {
    readonly use?: undefined;
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
    readonly use?: undefined;
    readonly side: "responder";
    readonly handshake: HandshakeResponder;
    readonly edgeId: string;
    readonly version: string;
  };

/** Of a channel between two agents, through an edge that reads none of it. */
export type PrivateRole =
  | { readonly use: "private"; readonly side: "initiator"; readonly handshake: PrivateInitiator }
  | { readonly use: "private"; readonly side: "responder"; readonly handshake: PrivateResponder };
