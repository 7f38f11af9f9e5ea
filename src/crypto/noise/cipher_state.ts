import { PosternError } from "../../errors/mod.ts";
import { CIPHER_KEY_BYTES, type NoiseCipher } from "./suite.ts";

/** 2^64 - 1 is kept for REKEY: no message may use it (section 5.1). */
const LAST_NONCE = 2n ** 64n - 1n;
const NO_AD = new Uint8Array(0);

/** The CipherState object (section 5.1): a key and its next nonce. Without a key, bytes pass unchanged. */
export class CipherState {
  readonly #cipher: NoiseCipher;
  #k: Uint8Array | null = null;
  #n = 0n;

  constructor(cipher: NoiseCipher) {
    this.#cipher = cipher;
  }

  /** InitializeKey(key): copies 32 bytes and starts at nonce 0. */
  initializeKey(key: Uint8Array): void {
    this.wipe();
    this.#k = key.slice(0, CIPHER_KEY_BYTES);
    this.#n = 0n;
  }

  /** HasKey(). */
  get hasKey(): boolean {
    return this.#k !== null;
  }

  /** SetNonce(nonce), an unsigned 64-bit number: for transports whose messages arrive out of order. */
  setNonce(nonce: bigint): void {
    this.#n = nonce;
  }

  /** EncryptWithAd(ad, plaintext). Throws `nonce_exhausted`. */
  encryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    if (this.#k === null) return plaintext.slice();
    const nonce = this.#nextNonce();
    // Spent before the seal runs: a failing seal must not lead to the same nonce again.
    this.#n++;
    return this.#cipher.encrypt(this.#k, nonce, ad, plaintext);
  }

  /** DecryptWithAd(ad, ciphertext): the nonce is spent on success only. Throws `noise_decrypt_failed`, `nonce_exhausted`. */
  decryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    if (this.#k === null) return ciphertext.slice();
    const plaintext = this.#cipher.decrypt(this.#k, this.#nextNonce(), ad, ciphertext);
    if (plaintext === null) throw new PosternError("noise_decrypt_failed");
    this.#n++;
    return plaintext;
  }

  /** Rekey(): k = REKEY(k), section 4.2; the nonce goes on. */
  rekey(): void {
    if (this.#k === null) return;
    const key = this.#cipher.encrypt(this.#k, LAST_NONCE, NO_AD, new Uint8Array(CIPHER_KEY_BYTES));
    this.#k.fill(0);
    this.#k = key.slice(0, CIPHER_KEY_BYTES);
    key.fill(0);
  }

  /** Zeroes the key. */
  wipe(): void {
    this.#k?.fill(0);
    this.#k = null;
  }

  #nextNonce(): bigint {
    if (this.#n >= LAST_NONCE) throw new PosternError("nonce_exhausted");
    return this.#n;
  }
}
