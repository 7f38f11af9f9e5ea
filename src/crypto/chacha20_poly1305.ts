/** ChaCha20-Poly1305 (RFC 8439) for what is short and rare: handshakes, wrapped secrets. Records use the sealing core. */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv } from "node:crypto";

const AEAD = "chacha20-poly1305";
export const CHACHA20_POLY1305_KEY_BYTES = 32;
export const CHACHA20_POLY1305_NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Ciphertext and tag. The caller sees to it that a nonce is used once under a key. */
export function sealChaCha20Poly1305(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv(AEAD, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  const head = cipher.update(plaintext);
  const tail = cipher.final();
  return new Uint8Array(Buffer.concat([head, tail, cipher.getAuthTag()]));
}

/** The plaintext, or null when the tag does not hold. */
export function openChaCha20Poly1305(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array<ArrayBuffer> | null {
  if (sealed.length < TAG_BYTES) return null;
  const bytes = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(AEAD, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(ad, { plaintextLength: bytes });
  decipher.setAuthTag(sealed.subarray(bytes));
  const plaintext = decipher.update(sealed.subarray(0, bytes));
  try {
    decipher.final();
  } catch {
    // final() throws for one reason only: the tag does not hold. What was decrypted must not be seen.
    plaintext.fill(0);
    return null;
  }
  return new Uint8Array(plaintext);
}
