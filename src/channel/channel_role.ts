import type { HandshakeInitiator, HandshakeResponder } from "./handshake.ts";
import type { CarrierPlace } from "./handshake_payload.ts";

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
