/** The Noise Protocol Framework, revision 34, without IO: <https://noiseprotocol.org/noise.html>. */
export { CipherState } from "./cipher_state.ts";
export {
  type HandshakeOptions,
  HandshakeState,
  MAX_NOISE_MESSAGE_BYTES,
  type TransportKeys,
} from "./handshake_state.ts";
export { mlKem768 } from "./ml_kem_768.ts";
export {
  type HandshakePattern,
  needsLocalStatic,
  needsRemoteStatic,
  parsePattern,
  PATTERN_NAMES,
  type Token,
} from "./patterns.ts";
export {
  NOISE_XK_25519_CHACHAPOLY_SHA256,
  NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXPSK3_25519_CHACHAPOLY_SHA256,
  parseProtocolName,
  type ProtocolName,
} from "./protocol_name.ts";
export {
  type NoiseCipher,
  type NoiseDh,
  type NoiseHash,
  type NoiseKem,
  type NoiseKeyPair,
  type NoiseSuite,
} from "./suite.ts";
export { SUITE_25519_CHACHAPOLY_SHA256 } from "./suite_25519_chachapoly_sha256.ts";
