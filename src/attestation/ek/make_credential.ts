/**
 * TPM2_MakeCredential without a TPM: TCG "TPM 2.0 Library, Part 1", 24, and its annexes B.10.4 (RSA) and C.6.1 (ECC).
 *
 * ```
 * seed            RSA: random, as long as nameAlg's digest    ECC: KDFe(Z, "IDENTITY", ephemeral x, EK x)
 * encryptedSecret RSA: OAEP(nameAlg, label "IDENTITY\0")      ECC: the ephemeral point, TPM2B x | TPM2B y
 * encIdentity     AES-CFB(KDFa(seed, "STORAGE", AK name), TPM2B secret)
 * integrity       HMAC(KDFa(seed, "INTEGRITY"), encIdentity | AK name)
 * credentialBlob  TPM2B integrity | encIdentity
 * ```
 * Only the TPM with this EK can open it, and only while it holds an object of this name.
 */
import { Buffer } from "node:buffer";
import { constants, createECDH, createHmac, createPublicKey, publicEncrypt } from "node:crypto";
import { concat, utf8 } from "../../bytes/mod.ts";
import type { Random } from "../../ports/mod.ts";
import {
  DIGEST_BYTES,
  FIELD_BYTES,
  maxDigestBytes,
  maxNameBytes,
  spkiOf,
  type TpmEccPublic,
  type TpmHash,
  type TpmPublic,
  type TpmRsaPublic,
  TpmWriter,
} from "../tpm/mod.ts";
import { aesCfbEncrypt } from "./aes_cfb.ts";
import { kdfa, kdfe } from "./kdf.ts";

/** What TPM2_ActivateCredential takes, each without the size in front: contents of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET. */
export interface Credential {
  readonly credentialBlob: Uint8Array<ArrayBuffer>;
  readonly encryptedSecret: Uint8Array<ArrayBuffer>;
}

interface Seed {
  readonly seed: Uint8Array<ArrayBuffer>;
  readonly encryptedSecret: Uint8Array<ArrayBuffer>;
}

const label = "IDENTITY";
const nothing = new Uint8Array(0);
/** Names have a hash of 32 bytes at least. */
const minNameBytes = 34;
/** Of sound randomness one draw in 2^32 is no private key on these curves. */
const maxDraws = 4;

/**
 * Encrypts `secret` to the TPM that holds the endorsement key `ekPublic` and an object named `objectName`.
 * @param secret 1 byte to as many as the EK's nameAlg has: 32 (RSA-2048, P-256) or 48 (P-384)
 * @throws RangeError for a secret or a name of another length, or an area that is no endorsement key;
 * `tpm_key_invalid`, `tpm_key_off_curve` for a key that is none
 */
export function makeCredential(
  ekPublic: TpmPublic,
  objectName: Uint8Array,
  secret: Uint8Array,
  random: Random,
): Credential {
  const { nameAlg, symmetric } = ekPublic;
  const digestBytes = DIGEST_BYTES[nameAlg];
  if (secret.length === 0 || secret.length > digestBytes) {
    throw new RangeError(
      `Cannot make a credential of ${secret.length} bytes: 1 to ${digestBytes} are possible`,
    );
  }
  if (objectName.length < minNameBytes || objectName.length > maxNameBytes) {
    throw new RangeError(`Cannot make a credential for a name of ${objectName.length} bytes`);
  }
  if (symmetric === null) throw new RangeError("Cannot make a credential for a key that protects nothing");
  const { seed, encryptedSecret } = ekPublic.type === "rsa"
    ? rsaSeed(ekPublic, random)
    : eccSeed(ekPublic, random);
  const cipherKey = kdfa(
    { hash: nameAlg, label: "STORAGE", bits: symmetric.keyBits },
    seed,
    objectName,
    nothing,
  );
  const macKey = kdfa({ hash: nameAlg, label: "INTEGRITY", bits: digestBytes * 8 }, seed, nothing, nothing);
  const encIdentity = aesCfbEncrypt(cipherKey, new TpmWriter().sized(secret, maxDigestBytes).bytes());
  const integrity = hmac(nameAlg, macKey, encIdentity, objectName);
  for (const spent of [seed, cipherKey, macKey]) spent.fill(0);
  return {
    credentialBlob: new TpmWriter().sized(integrity, maxDigestBytes).put(encIdentity).bytes(),
    encryptedSecret,
  };
}

/** Annex B.10.4. The padding's own randomness is the runtime's. */
function rsaSeed(ekPublic: TpmRsaPublic, random: Random): Seed {
  const seed = random(DIGEST_BYTES[ekPublic.nameAlg]);
  const key = createPublicKey({ key: Buffer.from(spkiOf(ekPublic)), format: "der", type: "spki" });
  const encrypted = publicEncrypt({
    key,
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: ekPublic.nameAlg,
    oaepLabel: Buffer.from(utf8(`${label}\0`)),
  }, Buffer.from(seed));
  return { seed, encryptedSecret: new Uint8Array(encrypted) };
}

/** Annex C.6.1: one-pass Diffie-Hellman with a key that is used this once. */
function eccSeed(ekPublic: TpmEccPublic, random: Random): Seed {
  spkiOf(ekPublic); // throws for a point off the curve, which would give away nothing here, but is no key
  const { nameAlg, curve } = ekPublic;
  const bytes = FIELD_BYTES[curve];
  const x = padded(ekPublic.x, bytes);
  const ecdh = ephemeralKey(curve, bytes, random);
  const point = new Uint8Array(ecdh.getPublicKey());
  const z = padded(
    new Uint8Array(ecdh.computeSecret(Buffer.from(concat(Uint8Array.of(4), x, padded(ekPublic.y, bytes))))),
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

function hmac(hash: TpmHash, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const state = createHmac(hash, key);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** Coordinates are as wide as the field in every derivation, leading zeros included. */
function padded(octets: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes);
  out.set(octets, bytes - octets.length);
  return out;
}
