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
  key_slots_exhausted: {
    title: "Cannot import a key: every slot of the core is in use",
    blame: "operator",
    retryable: true,
    cause: "Each channel holds two keys, and all slots of this process are taken by open channels.",
    remedy: "Lower the limit of channels for this process, or share them among more processes.",
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
