/** Failures of Noise, keys and the sealing core. */
import type { ErrorFacts } from "../error.ts";

export const CRYPTO_ERRORS = {
  aead_tag_mismatch: {
    title: "Cannot open sealed bytes: the tag does not hold",
    blame: "peer",
    retryable: false,
    cause:
      "The bytes were altered on the way, arrived out of order, or were sealed under another key or nonce.",
    remedy:
      "Let the channel be opened anew. When it happens again, something between the two nodes changes bytes, or one of them runs other software.",
  },
  core_bounds: {
    title: "Cannot use this range of the core's memory: it lies outside the arena or overlaps",
    blame: "local",
    retryable: false,
    cause:
      "A buffer handed to the sealing core reaches outside the arena, the associated data overlaps the payload or its tag, or a size is not a whole number.",
    remedy: "This is a fault of the program that calls the core: report it with the detail of the error.",
  },
  key_handle_stale: {
    title: "Cannot use this key: it was wiped or never existed",
    blame: "local",
    retryable: false,
    cause: "A key handle was used after its key had been wiped, or belongs to another core.",
    remedy: "This is a fault of the program that calls the core: report it with what the channel did before.",
  },
  key_length_invalid: {
    title: "Cannot use these bytes as a key or nonce: the length is wrong",
    blame: "local",
    retryable: false,
    cause: "A key of ChaCha20-Poly1305 has 32 bytes and a nonce 12; other lengths are refused.",
    remedy: "Pass a key of 32 bytes and a nonce of 12 bytes.",
  },
  hashers_exhausted: {
    title: "Cannot begin a hash: every hasher of the core is in use",
    blame: "local",
    retryable: true,
    cause: "A core keeps the states of 64 hashes that are under way, and all of them are open.",
    remedy: "Close hashers when their digest is taken, or load another core.",
  },
  key_slots_exhausted: {
    title: "Cannot import a key: every slot of the core is in use",
    blame: "operator",
    retryable: true,
    cause: "Each channel holds two keys, and all slots of this process are taken by open channels.",
    remedy: "Lower the limit of channels for this process, or share them among more processes.",
  },
  noise_bad_public_key: {
    title: "Cannot use this public key: it is not valid",
    blame: "peer",
    retryable: false,
    cause:
      "An X25519 public key has the wrong length or a low order (its shared secret would be all zero), or an ML-KEM-768 public key fails the modulus check of FIPS 203.",
    remedy:
      "Compare the configured key of the other node with the key it prints. If the key came in a handshake message, the other side runs faulty or hostile software.",
  },
  noise_decrypt_failed: {
    title: "Cannot read the handshake message: it does not decrypt",
    blame: "peer",
    // Whoever can touch the network can cause this, so it must not stop an agent for good.
    retryable: true,
    cause:
      "The message was altered on the way, or the two sides do not agree on keys, pre-shared keys, protocol or prologue.",
    remedy:
      "Check that both sides hold the right keys and offer the same handshake suite. The handshake has to start anew.",
  },
  noise_key_malformed: {
    title: "Cannot use this key: it has the wrong length",
    blame: "local",
    retryable: false,
    cause:
      "A private key of X25519 and a pre-shared key have 32 bytes each, and a source of randomness has to return as many bytes as asked for.",
    remedy: "Load the key from an undamaged file, or make a new one.",
  },
  noise_key_missing: {
    title: "Cannot start the handshake: the pattern needs a static key that was not given",
    blame: "local",
    retryable: false,
    cause: "The handshake pattern sends or presumes a static key, and none was passed.",
    remedy: "Pass the local static key pair, the remote static public key, or both, as the pattern asks.",
  },
  noise_key_unexpected: {
    title: "Cannot start the handshake: a key was given that the pattern does not use",
    blame: "local",
    retryable: false,
    cause:
      "A static or pre-shared key was passed to a pattern that never mixes it in. Accepting it would suggest a protection that does not exist.",
    remedy:
      "Choose a pattern that uses the key, or do not pass it. Compare `remoteStatic` after the handshake to pin a key.",
  },
  noise_message_too_long: {
    title: "Cannot process the handshake message: it is longer than 65535 bytes",
    blame: "peer",
    retryable: false,
    cause: "A Noise message has at most 65535 bytes, keys and tags included.",
    remedy: "Send a smaller payload in the handshake message.",
  },
  noise_message_too_short: {
    title: "Cannot read the handshake message: it ends too early",
    blame: "peer",
    retryable: true,
    cause: "The message is shorter than the keys and tags that its place in the handshake calls for.",
    remedy:
      "Check that both sides offer the same handshake suite, and that nothing between them cuts messages. The handshake has to start anew.",
  },
  noise_name_malformed: {
    title: "Cannot parse the protocol name: it is not a Noise name",
    blame: "local",
    retryable: false,
    cause:
      "A Noise protocol name reads Noise_PATTERN_DH_CIPHER_HASH in at most 255 characters, as in Noise_XK_25519_ChaChaPoly_SHA256.",
    remedy: "Correct the name.",
  },
  noise_out_of_turn: {
    title: "Cannot do this step of the handshake: it is not its turn",
    blame: "local",
    retryable: false,
    cause:
      "A message was written while one was due to be read, or the other way round, or keys were asked for before the last message or twice.",
    remedy: "This is a fault of the program that drives the handshake: report it.",
  },
  noise_protocol_unsupported: {
    title: "Cannot use this Noise protocol: it is not supported",
    blame: "local",
    retryable: false,
    cause:
      "The name is well formed, but its pattern, modifier or one of its functions is unknown, or they do not fit together.",
    remedy:
      "Use Noise_XKhfs_25519+MLKEM768_ChaChaPoly_SHA256 or another pattern over 25519, ChaChaPoly and SHA256, optionally with MLKEM768.",
  },
  noise_psk_missing: {
    title: "Cannot start the handshake: a pre-shared key is missing",
    blame: "local",
    retryable: false,
    cause: "The pattern mixes in more pre-shared keys than were given.",
    remedy: "Pass one key of 32 bytes for each psk modifier, in the order in which the pattern uses them.",
  },
  noise_state_dead: {
    title: "Cannot use this handshake: it has ended",
    blame: "local",
    retryable: false,
    cause: "The handshake failed before or was wiped, and its secrets are gone.",
    remedy: "Start a new handshake with fresh keys.",
  },
  nonce_exhausted: {
    title: "Cannot use this key again: its nonces are spent",
    blame: "local",
    retryable: false,
    cause: "The key has sealed or opened as many records as one key may (2^48).",
    remedy:
      "Let the channel be opened anew, or rekey earlier: channels do so by themselves long before the limit.",
  },
  simd_missing: {
    title: "Cannot load the sealing core: this processor or runtime has no WebAssembly SIMD",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "The sealing core needs 128-bit WebAssembly SIMD: on x86-64 a processor with SSE4.1 (made since 2008).",
    remedy: "Run it on a newer processor, or remove the runtime flag that turns WebAssembly SIMD off.",
  },
} as const satisfies Record<string, ErrorFacts>;
