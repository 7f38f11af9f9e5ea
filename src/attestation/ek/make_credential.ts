/**
 * TPM2_MakeCredential without a TPM: TCG "TPM 2.0 Library, Part 1", 24, and its annexes B.10.4 (RSA) and C.6.1 (ECC).
 *
 * ```
 * seed, encryptedSecret   as sharedSeed() makes them, with label "IDENTITY"
 * encIdentity     AES-CFB(KDFa(seed, "STORAGE", AK name), TPM2B secret)
 * integrity       HMAC(KDFa(seed, "INTEGRITY"), encIdentity | AK name)
 * credentialBlob  TPM2B integrity | encIdentity
 * ```
 * Only the TPM with this EK can open it, and only while it holds an object of this name.
 */
import { createHmac } from "node:crypto";
import type { Random } from "../../ports/mod.ts";
import {
  DIGEST_BYTES,
  maxDigestBytes,
  maxNameBytes,
  type TpmHash,
  type TpmPublic,
  TpmWriter,
} from "../tpm/mod.ts";
import { aesCfbEncrypt } from "./aes_cfb.ts";
import { kdfa } from "./kdf.ts";
import { sharedSeed } from "./shared_seed.ts";

/** What TPM2_ActivateCredential takes, each without the size in front: contents of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET. */
export interface Credential {
  readonly credentialBlob: Uint8Array<ArrayBuffer>;
  readonly encryptedSecret: Uint8Array<ArrayBuffer>;
}

const nothing = new Uint8Array(0);
/** Names have a hash of 32 bytes at least. */
const minNameBytes = 34;

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
  const { seed, encryptedSecret } = sharedSeed(ekPublic, "IDENTITY", random);
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

function hmac(hash: TpmHash, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const state = createHmac(hash, key);
  for (const part of parts) state.update(part);
  return state.digest();
}
