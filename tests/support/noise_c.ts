/** noise-c (C, compiled to WebAssembly): an independent implementation of Noise, to test ours against. */
import createNoise from "noise-c.wasm";

/** One side's cipher after the handshake. */
export interface NoiseCCipher {
  EncryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  DecryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  free(): void;
}

/** The parts of its HandshakeState that tests use. */
export interface NoiseCHandshake {
  Initialize(
    prologue: Uint8Array | null,
    s: Uint8Array | null,
    rs: Uint8Array | null,
    psk: Uint8Array | null,
  ): void;
  WriteMessage(payload: Uint8Array): Uint8Array;
  ReadMessage(message: Uint8Array, payloadNeeded: boolean): Uint8Array;
  GetHandshakeHash(): Uint8Array;
  GetRemotePublicKey(): Uint8Array | null;
  /** [sending, receiving]; frees the handshake. */
  Split(): [NoiseCCipher, NoiseCCipher];
  free(): void;
}

export interface NoiseC {
  /** Throws for protocols that noise-c does not know. */
  handshake(protocolName: string, initiator: boolean): NoiseCHandshake;
  /** Everything that noise-c draws from now on comes from `random`. */
  setRandom(random: (bytes: number) => Uint8Array): void;
}

interface NoiseCLibrary {
  readonly constants: Readonly<Record<string, number>>;
  readonly HandshakeState: new (protocolName: string, role: number) => NoiseCHandshake;
  readonly _lib_internal: { _random_bytes: (bytes: number) => Uint8Array };
}

/** Loads it. */
export function loadNoiseC(): Promise<NoiseC> {
  return new Promise((resolve) => {
    // It tries to stream its WebAssembly by fetch, which Deno has no file URL for, says so, and then reads the file.
    createNoise(
      { printErr: () => {} },
      ({ constants, HandshakeState, _lib_internal: lib }: NoiseCLibrary) => {
        // The library object is a thenable that resolves to itself: resolve with an object of ours.
        resolve({
          handshake: (protocolName, initiator) =>
            new HandshakeState(
              protocolName,
              initiator ? constants.NOISE_ROLE_INITIATOR : constants.NOISE_ROLE_RESPONDER,
            ),
          setRandom: (random) => {
            lib._random_bytes = random;
          },
        });
      },
    );
  });
}
