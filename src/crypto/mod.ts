/** Keys and the Noise handshake. The record cipher is the sealing core in `wasm/`, behind a port. */
export {
  CHACHA20_POLY1305_KEY_BYTES,
  CHACHA20_POLY1305_NONCE_BYTES,
  openChaCha20Poly1305,
  sealChaCha20Poly1305,
} from "./chacha20_poly1305.ts";
export { hkdfSha256, hkdfSha256Expand, hkdfSha256Extract } from "./hkdf.ts";
export { HPKE_SUITE, hpkeOpen, hpkeSeal, type HpkeSealed } from "./hpke.ts";
export { generateX25519KeyPair, type X25519KeyPair, x25519KeyPair } from "./keys.ts";
export {
  DEFAULT_LOG_N,
  derivePassword,
  formatPasswordHash,
  MAX_PASSWORD_BYTES,
  parsePasswordHash,
  type PasswordHash,
  SALT_BYTES,
} from "./password_hash.ts";
export { base32Of, TOTP_SECRET_BYTES, totpCode, totpStep } from "./totp.ts";
export { x25519 } from "./x25519.ts";
export * from "./noise/mod.ts";
