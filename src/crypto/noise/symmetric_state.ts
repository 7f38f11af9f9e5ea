import { utf8 } from "../../bytes/mod.ts";
import { CipherState } from "./cipher_state.ts";
import { CIPHER_KEY_BYTES, type NoiseHash, type NoiseSuite } from "./suite.ts";

const EMPTY = new Uint8Array(0);

/** The SymmetricState object (section 5.2): chaining key `ck`, transcript hash `h`, and the cipher of the handshake. */
export class SymmetricState {
  readonly #hash: NoiseHash;
  readonly #cipherState: CipherState;
  #ck: Uint8Array;
  #h: Uint8Array;

  /** InitializeSymmetric(protocol_name). */
  constructor(protocolName: string, suite: NoiseSuite) {
    this.#hash = suite.hash;
    this.#cipherState = new CipherState(suite.cipher);
    const name = utf8(protocolName);
    if (name.length <= suite.hash.bytes) {
      this.#h = new Uint8Array(suite.hash.bytes);
      this.#h.set(name);
    } else {
      this.#h = suite.hash.hash(name);
    }
    this.#ck = this.#h.slice();
  }

  get hasKey(): boolean {
    return this.#cipherState.hasKey;
  }

  /** MixKey(input_key_material). */
  mixKey(inputKeyMaterial: Uint8Array): void {
    const [ck, tempK] = this.#hash.hkdf(this.#ck, inputKeyMaterial, 2);
    this.#takeKeys(ck, tempK);
  }

  /** MixHash(data). */
  mixHash(data: Uint8Array): void {
    this.#h = this.#hash.hash(this.#h, data);
  }

  /** MixKeyAndHash(input_key_material). */
  mixKeyAndHash(inputKeyMaterial: Uint8Array): void {
    const [ck, tempH, tempK] = this.#hash.hkdf(this.#ck, inputKeyMaterial, 3);
    this.mixHash(tempH);
    tempH.fill(0);
    this.#takeKeys(ck, tempK);
  }

  /** GetHandshakeHash(), as a copy. */
  get handshakeHash(): Uint8Array {
    return this.#h.slice();
  }

  /** EncryptAndHash(plaintext). */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipherState.encryptWithAd(this.#h, plaintext);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** DecryptAndHash(ciphertext). Throws `noise_decrypt_failed`. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#cipherState.decryptWithAd(this.#h, ciphertext);
    this.mixHash(ciphertext);
    return plaintext;
  }

  /**
   * Split(): the keys of the two transport ciphers, 32 bytes each, and a third output of the same HKDF. The outputs are a
   * chain (section 4.3), so the first two are what the specification says, and nothing is learned of them from the third.
   */
  split(): [Uint8Array, Uint8Array, Uint8Array] {
    const outputs = this.#hash.hkdf(this.#ck, EMPTY, 3);
    const keys = outputs.map((output) => output.slice(0, CIPHER_KEY_BYTES));
    for (const output of outputs) output.fill(0);
    return [keys[0], keys[1], keys[2]];
  }

  /** Zeroes the chaining key and the cipher key. `h` is no secret and stays. */
  wipe(): void {
    this.#ck.fill(0);
    this.#cipherState.wipe();
  }

  #takeKeys(ck: Uint8Array, tempK: Uint8Array): void {
    this.#ck.fill(0);
    this.#ck = ck.slice();
    // A HASHLEN of 64 is cut to 32 bytes by initializeKey, as 5.2 says.
    this.#cipherState.initializeKey(tempK);
    ck.fill(0);
    tempK.fill(0);
  }
}
