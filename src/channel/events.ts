/** What a channel tells its driver. Calls come from inside the channel's methods: they must not throw. */
import type { PosternError } from "../errors/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { ResetReason } from "../wire/mod.ts";
import type { CarrierPlace, ReadyMessage } from "./handshake_payload.ts";
import type { ChannelState } from "./lifecycle.ts";

/** The edge's question, as the agent sees it: what evidence has to be bound to. */
export interface Challenge {
  /** 32 bytes, unique to this channel. */
  readonly sessionNonce: Uint8Array;
  /** Noise `h` after message 2, 32 bytes: stands for this channel and no other. */
  readonly handshakeHash: Uint8Array;
  /** The agent's static public key in this handshake. */
  readonly agentStatic: Uint8Array;
  readonly edgeId: string;
}

/** The agent's answer, as the edge sees it. The token is not verified yet. */
export interface Proof {
  readonly token: string;
  readonly sessionNonce: Uint8Array;
  readonly handshakeHash: Uint8Array;
  /** Proven by the handshake; still to be compared with the token. */
  readonly agentStatic: Uint8Array;
  /** Session that this channel takes over in an orderly way. Peer text. */
  readonly replaces: string | undefined;
  /** Its place among the channels that the agent has side by side; undefined for an only one. Chosen by the peer. */
  readonly carrier: CarrierPlace | undefined;
}

export interface ChannelEvents {
  /** There is something to send, or the deadline has moved: call `takeRecord` and look at `deadline` soon. */
  wake(): void;
  onState(state: ChannelState, before: ChannelState): void;
  /** Initiator: answer with `prove`. */
  onChallenge?(challenge: Challenge): void;
  /** Responder: verify the token, then `challenge` or `refuse`. */
  onStage0?(token: string, agentVersion: string): void;
  /** Responder: verify the proof, then `accept` or `refuse`. */
  onProof?(proof: Proof): void;
  /** Initiator: the channel is established. */
  onReady?(ready: ReadyMessage): void;
  /** The peer opens a stream: who handles it, or why nobody does. */
  onOpen(stream: MuxStream): StreamHandler | ResetReason;
  /** The peer will take no further streams and cuts the open ones after `deadlineMs`. */
  onGoaway?(reason: ResetReason, deadlineMs: number): void;
  /** The way there and back was seen to work. */
  onEcho?(rttMs: number): void;
  /** This side has changed its record key. */
  onRekey?(): void;
  /** The end; told once. Without an error it was in order. */
  onEnd(error: PosternError | undefined): void;
}
