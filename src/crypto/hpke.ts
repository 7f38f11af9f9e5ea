/**
 * Hybrid public key encryption (RFC 9180): base mode, one message for each encapsulation, with the suite
 * DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
 *
 * ```
 *   sender                                   recipient (skR, pkR)
 *   ephemeral skE, pkE = enc
 *   Z = X25519(skE, pkR)    -- enc, ct -->   Z = X25519(skR, enc)
 *   shared_secret = ExtractAndExpand(Z, enc | pkR)        key, base_nonce = KeySchedule(shared_secret, info)
 * ```
 */
import { concat, utf8 } from "../bytes/mod.ts";
import type { Random } from "../ports/mod.ts";
import {
  CHACHA20_POLY1305_KEY_BYTES,
  CHACHA20_POLY1305_NONCE_BYTES,
  openChaCha20Poly1305,
  sealChaCha20Poly1305,
} from "./chacha20_poly1305.ts";
import { hkdfSha256Expand, hkdfSha256Extract } from "./hkdf.ts";
import { generateX25519KeyPair, type X25519KeyPair } from "./keys.ts";
import { x25519 } from "./x25519.ts";

/** Identifiers of section 7, and how the suite is named there. */
export const HPKE_SUITE = {
  name: "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305",
  kemId: 0x0020,
  kdfId: 0x0001,
  aeadId: 0x0003,
} as const;

/** mode_base (table 1): whoever has the public key may have sealed. */
const MODE_BASE = 0x00;
/** Nsecret of the KEM. */
const SECRET_BYTES = 32;
const NOTHING = new Uint8Array(0);
const KEM_SUITE_ID = concat(utf8("KEM"), u16(HPKE_SUITE.kemId));
const HPKE_SUITE_ID = concat(
  utf8("HPKE"),
  u16(HPKE_SUITE.kemId),
  u16(HPKE_SUITE.kdfId),
  u16(HPKE_SUITE.aeadId),
);

export interface HpkeSealed {
  /** The encapsulated key: 32 bytes. */
  readonly enc: Uint8Array;
  /** With its tag of 16 bytes. */
  readonly ciphertext: Uint8Array;
}

/**
 * SealBase (section 6.1): only the holder of the private key reads it. Throws `noise_bad_public_key` for a public key of another
 * length or of low order (section 7.1.4).
 */
export function hpkeSeal(
  publicKey: Uint8Array,
  { info, aad, plaintext }: Readonly<Record<"info" | "aad" | "plaintext", Uint8Array>>,
  random: Random,
): HpkeSealed {
  const ephemeral = generateX25519KeyPair(random);
  const enc = ephemeral.publicKey;
  const { key, nonce } = keySchedule(
    sharedSecret(x25519(ephemeral.privateKey, publicKey), enc, publicKey),
    info,
  );
  ephemeral.privateKey.fill(0);
  const ciphertext = sealChaCha20Poly1305(key, nonce, aad, plaintext);
  key.fill(0);
  return { enc, ciphertext };
}

/** OpenBase (section 6.1); null when it is for another key, `info` or `aad`, or was altered. Throws `noise_bad_public_key`. */
export function hpkeOpen(
  keys: X25519KeyPair,
  { enc, ciphertext }: HpkeSealed,
  { info, aad }: Readonly<Record<"info" | "aad", Uint8Array>>,
): Uint8Array<ArrayBuffer> | null {
  const { key, nonce } = keySchedule(
    sharedSecret(x25519(keys.privateKey, enc), enc, keys.publicKey),
    info,
  );
  const plaintext = openChaCha20Poly1305(key, nonce, aad, ciphertext);
  key.fill(0);
  return plaintext;
}

/** ExtractAndExpand over the DH (section 4.1). */
function sharedSecret(dh: Uint8Array, enc: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const prk = labeledExtract(KEM_SUITE_ID, NOTHING, "eae_prk", dh);
  return labeledExpand(KEM_SUITE_ID, prk, "shared_secret", concat(enc, publicKey), SECRET_BYTES);
}

/** KeySchedule of mode_base, without psk (section 5.1). The nonce of the first message is base_nonce itself (5.2). */
function keySchedule(secret: Uint8Array, info: Uint8Array): { key: Uint8Array; nonce: Uint8Array } {
  const pskIdHash = labeledExtract(HPKE_SUITE_ID, NOTHING, "psk_id_hash", NOTHING);
  const infoHash = labeledExtract(HPKE_SUITE_ID, NOTHING, "info_hash", info);
  const context = concat(Uint8Array.of(MODE_BASE), pskIdHash, infoHash);
  const prk = labeledExtract(HPKE_SUITE_ID, secret, "secret", NOTHING);
  return {
    key: labeledExpand(HPKE_SUITE_ID, prk, "key", context, CHACHA20_POLY1305_KEY_BYTES),
    nonce: labeledExpand(HPKE_SUITE_ID, prk, "base_nonce", context, CHACHA20_POLY1305_NONCE_BYTES),
  };
}

/** Section 4. */
function labeledExtract(suiteId: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return hkdfSha256Extract(salt, concat(utf8("HPKE-v1"), suiteId, utf8(label), ikm));
}

/** Section 4. */
function labeledExpand(
  suiteId: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  bytes: number,
): Uint8Array {
  return hkdfSha256Expand(prk, concat(u16(bytes), utf8("HPKE-v1"), suiteId, utf8(label), info), bytes);
}

/** I2OSP(n, 2). */
function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}
