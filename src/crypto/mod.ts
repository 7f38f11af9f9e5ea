/** Keys and the Noise handshake. The record cipher is the sealing core in `wasm/`, behind a port. */
export { hkdfSha256 } from "./hkdf.ts";
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
export { x25519 } from "./x25519.ts";
export * from "./noise/mod.ts";
