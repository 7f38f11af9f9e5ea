/** ML-KEM-768 (FIPS 203) as the KEM of hfs patterns. */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { PosternError } from "../../errors/mod.ts";
import type { Random } from "../../ports/mod.ts";
import type { NoiseKem } from "./suite.ts";

const PUBLIC_KEY_BYTES = 1184;
/** The encoded vector t; the remaining 32 bytes of the key are the seed rho, of which every value is valid. */
const VECTOR_BYTES = 1152;
const CIPHERTEXT_BYTES = 1088;
/** d and z (FIPS 203 7.1). */
const KEY_SEED_BYTES = 64;
/** m (FIPS 203 7.2). */
const MESSAGE_BYTES = 32;
const Q = 3329;

export const mlKem768: NoiseKem = {
  name: "MLKEM768",
  publicKeyBytes: PUBLIC_KEY_BYTES,
  ciphertextBytes: CIPHERTEXT_BYTES,
  generateKeyPair(random) {
    const seed = draw(random, KEY_SEED_BYTES);
    const { publicKey, secretKey } = ml_kem768.keygen(seed);
    seed.fill(0);
    return { publicKey, privateKey: secretKey };
  },
  isValidPublicKey,
  encapsulate(publicKey, random) {
    if (!isValidPublicKey(publicKey)) {
      throw new PosternError(
        "noise_bad_public_key",
        "Cannot use the ML-KEM-768 public key: it fails the checks of FIPS 203 7.2",
      );
    }
    const message = draw(random, MESSAGE_BYTES);
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, message);
    message.fill(0);
    return { ciphertext: cipherText, sharedSecret };
  },
  decapsulate(privateKey, ciphertext) {
    return ml_kem768.decapsulate(ciphertext, privateKey);
  },
};

/**
 * The type and modulus checks of FIPS 203 7.2. Done when the key arrives, so that a bad key costs the receiver one pass
 * over it and not the work that follows.
 */
function isValidPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
  // Two 12-bit coefficients in 3 bytes (ByteEncode12).
  for (let at = 0; at < VECTOR_BYTES; at += 3) {
    const first = publicKey[at] | (publicKey[at + 1] & 0x0f) << 8;
    const second = publicKey[at + 1] >> 4 | publicKey[at + 2] << 4;
    if (first >= Q || second >= Q) return false;
  }
  return true;
}

function draw(random: Random, bytes: number): Uint8Array {
  const seed = random(bytes);
  if (seed.length !== bytes) {
    throw new PosternError(
      "noise_key_malformed",
      "Cannot make an ML-KEM-768 key: the seed has the wrong length",
      {
        detail: { bytes: seed.length, expectedBytes: bytes },
      },
    );
  }
  return seed;
}
