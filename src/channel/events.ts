/** What a channel tells its driver. Calls come from inside the channel's methods: they must not throw. */
import type { PosternError } from "../errors/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { ResetReason } from "../wire/mod.ts";
import type { CarrierPlace, ReadyMessage } from "./handshake_payload.ts";
import type { PrivatePeer } from "./private_handshake.ts";
import type { ChannelState } from "./lifecycle.ts";
import type { Offer, OfferAnswer } from "./offers.ts";

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

/** The edge's question on a channel that stands. */
export interface ReauthChallenge {
  /** 32 bytes, new in every round. */
  readonly sessionNonce: Uint8Array;
  /** 32 bytes: stands for this round of this channel, and for the keys that it changes to. */
  readonly handshakeHash: Uint8Array;
  readonly agentStatic: Uint8Array;
  /** Time for the answer, as the edge says. */
  readonly withinMs: number;
}

/** The agent's answer to either question, as the edge sees it. The token is not verified yet. */
export interface ReauthProof {
  readonly token: string;
  readonly sessionNonce: Uint8Array;
  readonly handshakeHash: Uint8Array;
  /** Proven by the handshake; still to be compared with the token. */
  readonly agentStatic: Uint8Array;
}

/** The answer that opens the channel. */
export interface Proof extends ReauthProof {
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
  /** Initiator: the edge asks again; answer with `proveAgain`. */
  onReauth?(challenge: ReauthChallenge): void;
  /** Initiator: the edge is content. @param nextMs until it asks again at the earliest; undefined: never */
  onReauthenticated?(nextMs: number | undefined): void;
  /** Responder: verify the proof, then `reauthenticated` or `refuse`. */
  onReauthProof?(proof: ReauthProof): void;
  /** Initiator: the edge hands over a private channel's grant; answer with `answerOffer`. Absent: no offer is taken. */
  onOffer?(offer: Offer): void;
  /** Responder: the agent's answer to an offer. */
  onOfferAnswer?(offer: number, answer: OfferAnswer): void;
  /** Private channel: the peer has come; answer with `introduce`. @param transcript what own proofs are to sign, 32 bytes */
  onArrived?(transcript: Uint8Array): void;
  /**
   * Private channel: judge the peer. Initiator: then `introduce` with proofs over the transcript, or `close`.
   * Responder: then `accept` or `refuse`.
   */
  onPeer?(peer: PrivatePeer, ownTranscript: Uint8Array | undefined): void;
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
