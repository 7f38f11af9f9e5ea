/** The suite that Postern uses: X25519, ChaCha20-Poly1305, SHA-256 and, for hfs patterns, ML-KEM-768. */
import { createHash } from "node:crypto";
import { openChaCha20Poly1305, sealChaCha20Poly1305 } from "../chacha20_poly1305.ts";
import { hkdfSha256 } from "../hkdf.ts";
import { generateX25519KeyPair } from "../keys.ts";
import { x25519, X25519_KEY_BYTES } from "../x25519.ts";
import { mlKem768 } from "./ml_kem_768.ts";
import { type NoiseCipher, type NoiseDh, type NoiseHash, type NoiseSuite } from "./suite.ts";

const HASH_BYTES = 32;

/** Section 12.1. */
const dh25519: NoiseDh = {
  name: "25519",
  publicKeyBytes: X25519_KEY_BYTES,
  privateKeyBytes: X25519_KEY_BYTES,
  generateKeyPair: generateX25519KeyPair,
  dh: x25519,
};

/** Section 12.3. Handshake messages are few and small: node:crypto serves them, records use the sealing core. */
const chaChaPoly: NoiseCipher = {
  name: "ChaChaPoly",
  encrypt: (key, nonce, ad, plaintext) => sealChaCha20Poly1305(key, nonceBytes(nonce), ad, plaintext),
  decrypt: (key, nonce, ad, ciphertext) => openChaCha20Poly1305(key, nonceBytes(nonce), ad, ciphertext),
};

/** Sections 12.5 and 4.3: HKDF with no info is RFC 5869. */
const sha256: NoiseHash = {
  name: "SHA256",
  bytes: HASH_BYTES,
  hash(first, second) {
    const hash = createHash("sha256").update(first);
    if (second !== undefined) hash.update(second);
    return new Uint8Array(hash.digest());
  },
  hkdf(chainingKey, inputKeyMaterial, outputs) {
    const bytes = hkdfSha256(chainingKey, inputKeyMaterial, outputs * HASH_BYTES);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += HASH_BYTES) parts.push(bytes.subarray(at, at + HASH_BYTES));
    return parts;
  },
};

/** X25519 (+ ML-KEM-768), ChaCha20-Poly1305, SHA-256. */
export const SUITE_25519_CHACHAPOLY_SHA256: NoiseSuite = Object.freeze({
  dh: dh25519,
  cipher: chaChaPoly,
  hash: sha256,
  kem: mlKem768,
});

/** Section 12.3: 4 zero bytes, then the counter, little-endian. */
function nonceBytes(nonce: bigint): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, nonce, true);
  return bytes;
}
