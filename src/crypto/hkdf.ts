import { createHmac, hkdfSync } from "node:crypto";

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

/** HKDF-Extract (RFC 5869 2.2): 32 bytes. */
export function hkdfSha256Extract(salt: Uint8Array, inputKeyMaterial: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHmac("sha256", salt).update(inputKeyMaterial).digest());
}

/** HKDF-Expand (RFC 5869 2.3). At most 255 * 32 bytes. */
export function hkdfSha256Expand(
  pseudorandomKey: Uint8Array,
  info: Uint8Array,
  bytes: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes);
  let block: Uint8Array = NO_INFO;
  for (let at = 0, i = 1; at < bytes; at += block.length, i++) {
    block = createHmac("sha256", pseudorandomKey).update(block).update(info).update(Uint8Array.of(i))
      .digest();
    out.set(block.subarray(0, bytes - at), at);
  }
  return out;
}
