import { hkdfSync } from "node:crypto";

const NO_INFO = new Uint8Array(0);

/**
 * HKDF-SHA-256 (RFC 5869): `bytes` bytes from input key material, `salt` and optional `info`.
 * At most 255 * 32 bytes.
 */
export function hkdfSha256(
  salt: Uint8Array,
  inputKeyMaterial: Uint8Array,
  bytes: number,
  info: Uint8Array = NO_INFO,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync("sha256", inputKeyMaterial, salt, info, bytes));
}
