/** The channel: lifecycle, attested handshake, records, heartbeat, drain. Sans-IO. */
export { Backoff, type BackoffLimits } from "./backoff.ts";
export { Channel } from "./channel.ts";
export type { ChannelRole } from "./channel_role.ts";
export type { Challenge, ChannelEvents, Proof, ReauthChallenge, ReauthProof } from "./events.ts";
export { HandshakeInitiator, HandshakeResponder, refusal } from "./handshake.ts";
export { type CarrierPlace, MAX_CARRIERS, type ReadyMessage } from "./handshake_payload.ts";
export { Heartbeat, HEARTBEAT_LIMITS, type HeartbeatLimits } from "./heartbeat.ts";
export { carriesTraffic, type ChannelState, isTerminal, Lifecycle, takesNewStreams } from "./lifecycle.ts";
export { channelLimits, type ConfiguredChannel } from "./configured_limits.ts";
export { CHANNEL_LIMITS, type ChannelLimits } from "./limits.ts";
export {
  identityTranscript,
  type PrivateHandshakeOptions,
  PrivateInitiator,
  type PrivatePeer,
  PrivateResponder,
} from "./private_handshake.ts";
export {
  checkPin,
  judgePrivatePeer,
  type PeerAssurance,
  type PeerDemands,
  privateFingerprint,
  type VerifiedPrivatePeer,
} from "./private_peer.ts";
export { type IdentityProof, type Introduction } from "./private_messages.ts";
export { chooseSuite, PRIVATE_CLOCK_SKEW_MS, privatePrologue, type PrivateTerms } from "./private_terms.ts";
export { type RatchetKeys, ratchetKeys, type RatchetPublics, ratchetTranscript } from "./ratchet.ts";
export { MAX_OPEN_OFFERS, type Offer, type OfferAnswer } from "./offers.ts";
export { type KeyedMessage, ReauthAnswerer, ReauthAsker, type ReauthBasis } from "./reauth.ts";
export { RecordKey, REKEY_LIMITS, type RekeyLimits } from "./record_key.ts";
export { RecordLayer } from "./record_layer.ts";
export { RecordOpener } from "./record_opener.ts";
export { RecordSealer } from "./record_sealer.ts";
export { privateSuite, PROTOCOL_VERSION, suiteId, type SuiteName, suiteProtocolName } from "./suite.ts";
