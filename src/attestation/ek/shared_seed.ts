/**
 * A secret that only the TPM with a key can read: seeds of credentials and salts of sessions are sent so. TCG "TPM 2.0 Library, Part
 * 1", annexes B.10 (RSA) and C.6 (ECC).
 *
 * ```
 * seed            RSA: random, as long as nameAlg's digest    ECC: KDFe(Z, label, ephemeral x, key x)
 * encryptedSecret RSA: OAEP(nameAlg, label with its zero)     ECC: the ephemeral point, TPM2B x | TPM2B y
 * ```
 */
import { Buffer } from "node:buffer";
import { constants, createECDH, createPublicKey, publicEncrypt } from "node:crypto";
import { concat, utf8 } from "../../bytes/mod.ts";
import type { Random } from "../../ports/mod.ts";
import {
  DIGEST_BYTES,
  FIELD_BYTES,
  spkiOf,
  type TpmEccPublic,
  type TpmPublic,
  type TpmRsaPublic,
  TpmWriter,
} from "../tpm/mod.ts";
import { kdfe } from "./kdf.ts";

export interface SharedSeed {
  /** Secret. */
  readonly seed: Uint8Array<ArrayBuffer>;
  /** Contents of TPM2B_ENCRYPTED_SECRET. */
  readonly encryptedSecret: Uint8Array<ArrayBuffer>;
}

/** What the seed is for: of a credential, or the salt of a session. */
export type SeedLabel = "IDENTITY" | "SECRET";

/** Of sound randomness one draw in 2^32 is no private key on these curves. */
const maxDraws = 4;

/** Throws `tpm_key_invalid`, `tpm_key_off_curve` for a key that is none. */
export function sharedSeed(key: TpmPublic, label: SeedLabel, random: Random): SharedSeed {
  return key.type === "rsa" ? rsaSeed(key, label, random) : eccSeed(key, label, random);
}

/** Annex B.10. The padding's own randomness is the runtime's. */
function rsaSeed(area: TpmRsaPublic, label: SeedLabel, random: Random): SharedSeed {
  const seed = random(DIGEST_BYTES[area.nameAlg]);
  const key = createPublicKey({ key: Buffer.from(spkiOf(area)), format: "der", type: "spki" });
  const encrypted = publicEncrypt({
    key,
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: area.nameAlg,
    oaepLabel: Buffer.from(utf8(`${label}\0`)),
  }, Buffer.from(seed));
  return { seed, encryptedSecret: new Uint8Array(encrypted) };
}

/** Annex C.6: one-pass Diffie-Hellman with a key that is used this once. */
function eccSeed(area: TpmEccPublic, label: SeedLabel, random: Random): SharedSeed {
  spkiOf(area); // throws for a point off the curve, which would give away nothing here, but is no key
  const { nameAlg, curve } = area;
  const bytes = FIELD_BYTES[curve];
  const x = padded(area.x, bytes);
  const ecdh = ephemeralKey(curve, bytes, random);
  const point = new Uint8Array(ecdh.getPublicKey());
  const z = padded(
    new Uint8Array(ecdh.computeSecret(Buffer.from(concat(Uint8Array.of(4), x, padded(area.y, bytes))))),
    bytes,
  );
  const ephemeral = { x: point.subarray(1, 1 + bytes), y: point.subarray(1 + bytes) };
  const seed = kdfe({ hash: nameAlg, label, bits: DIGEST_BYTES[nameAlg] * 8 }, z, ephemeral.x, x);
  z.fill(0);
  return {
    seed,
    encryptedSecret: new TpmWriter().sized(ephemeral.x, bytes).sized(ephemeral.y, bytes).bytes(),
  };
}

function ephemeralKey(
  curve: TpmEccPublic["curve"],
  bytes: number,
  random: Random,
): ReturnType<typeof createECDH> {
  const ecdh = createECDH(curve === "p256" ? "prime256v1" : "secp384r1");
  for (let draw = 1;; draw++) {
    const scalar = random(bytes);
    try {
      ecdh.setPrivateKey(Buffer.from(scalar));
      return ecdh;
    } catch (cause) {
      // Zero, or not below the order: drawn again (FIPS 186-5 A.2.2).
      if (draw === maxDraws) throw new RangeError("Cannot make a key: the randomness gives none", { cause });
    } finally {
      scalar.fill(0);
    }
  }
}

/** Coordinates are as wide as the field in every derivation, leading zeros included. */
function padded(octets: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes);
  out.set(octets, bytes - octets.length);
  return out;
}
