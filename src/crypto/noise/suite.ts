/** The functions that a Noise protocol is built from (section 4), as a port: HandshakeState knows no algorithm. */
import type { Random } from "../../ports/mod.ts";

/** A key pair of the suite's DH or KEM as raw bytes. `privateKey` is secret. */
export interface NoiseKeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** DH functions (4.1). */
export interface NoiseDh {
  /** As in protocol names: "25519". */
  readonly name: string;
  /** DHLEN: bytes of public keys. */
  readonly publicKeyBytes: number;
  readonly privateKeyBytes: number;
  /** GENERATE_KEYPAIR(), the only randomness being `random(privateKeyBytes)`. */
  generateKeyPair(random: Random): NoiseKeyPair;
  /** DH(key_pair, public_key). Throws `noise_bad_public_key` for keys that must not be used. */
  dh(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
}

/** Cipher functions (4.2): an AEAD with 32-byte keys and a 16-byte tag. */
export interface NoiseCipher {
  /** As in protocol names: "ChaChaPoly". */
  readonly name: string;
  /** ENCRYPT(k, n, ad, plaintext): ciphertext and tag. `nonce` is an unsigned 64-bit number. */
  encrypt(key: Uint8Array, nonce: bigint, ad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** DECRYPT(k, n, ad, ciphertext): the plaintext, or null when the tag does not hold. */
  decrypt(key: Uint8Array, nonce: bigint, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | null;
}

/** Hash functions (4.3). */
export interface NoiseHash {
  /** As in protocol names: "SHA256". */
  readonly name: string;
  /** HASHLEN. */
  readonly bytes: number;
  /** HASH(first || second). */
  hash(first: Uint8Array, second?: Uint8Array): Uint8Array;
  /** HKDF(chaining_key, input_key_material, num_outputs): that many outputs of HASHLEN bytes. */
  hkdf(chainingKey: Uint8Array, inputKeyMaterial: Uint8Array, outputs: 2 | 3): Uint8Array[];
}

/** KEM functions (Noise HFS draft, revision 1, section 3). */
export interface NoiseKem {
  /** As in protocol names, behind the DH name and "+": "MLKEM768". */
  readonly name: string;
  readonly publicKeyBytes: number;
  readonly ciphertextBytes: number;
  /** GENERATE_KEM_KEYPAIR(), the only randomness being one call of `random`. */
  generateKeyPair(random: Random): NoiseKeyPair;
  /** Whether a received public key may be encapsulated to. */
  isValidPublicKey(publicKey: Uint8Array): boolean;
  /** GENERATE_KEM_CIPHERTEXT(public_key). Throws `noise_bad_public_key`. */
  encapsulate(publicKey: Uint8Array, random: Random): { ciphertext: Uint8Array; sharedSecret: Uint8Array };
  /** KEM(key_pair, ciphertext). A foreign ciphertext gives an unrelated secret, not an error (implicit rejection). */
  decapsulate(privateKey: Uint8Array, ciphertext: Uint8Array): Uint8Array;
}

/** One choice of functions. To use another AEAD implementation: `{ ...suite, cipher }`. */
export interface NoiseSuite {
  readonly dh: NoiseDh;
  readonly cipher: NoiseCipher;
  readonly hash: NoiseHash;
  /** Needed for hfs patterns only. */
  readonly kem?: NoiseKem;
}

/** Bytes of a cipher key (4.2). */
export const CIPHER_KEY_BYTES = 32;
/** Bytes that encryption adds (4.2). */
export const TAG_BYTES = 16;
