/** Whether a public area is that of a key which signs only what its TPM made, and which never leaves it. */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { type ErrorCode, PosternError } from "../../errors/mod.ts";
import { TpmObject } from "./constants.ts";
import { decodeTpm } from "./octets.ts";
import { tpmName, type TpmPublic, type TpmScheme, TPMT_PUBLIC } from "./public_area.ts";
import { exponentOf, spkiOf } from "./spki.ts";

/** A public area that passed every check. */
export interface AttestationKey {
  readonly publicArea: TpmPublic;
  readonly name: Uint8Array<ArrayBuffer>;
  readonly scheme: TpmScheme;
  readonly key: KeyObject;
}

/** Shortest modulus; NIST SP 800-131A allows none below. */
const minModulusBits = 2048;
/** The one exponent that keys of TPMs have; smaller ones have been broken by lax padding checks. */
const onlyExponent = 65_537;

/** What each attribute has to be (Part 1, 25.1.2 to 25.1.7). */
const DEMANDS: readonly { bit: number; isSet: boolean; code: ErrorCode; state: string }[] = [
  { bit: TpmObject.restricted, isSet: true, code: "ak_not_restricted", state: "it also signs foreign data" },
  { bit: TpmObject.sign, isSet: true, code: "ak_not_signing", state: "it does not sign" },
  { bit: TpmObject.decrypt, isSet: false, code: "ak_can_decrypt", state: "it also decrypts" },
  { bit: TpmObject.fixedTPM, isSet: true, code: "ak_not_fixed_tpm", state: "it can be moved to another TPM" },
  {
    bit: TpmObject.fixedParent,
    isSet: true,
    code: "ak_not_fixed_parent",
    state: "it can get another parent",
  },
  {
    bit: TpmObject.sensitiveDataOrigin,
    isSet: true,
    code: "ak_origin_unknown",
    state: "its private part was not made by the TPM",
  },
];

/**
 * Checks an attestation key: TPMT_PUBLIC, nothing behind it. Throws `ak_not_restricted`, `ak_not_signing`,
 * `ak_can_decrypt`, `ak_not_fixed_tpm`, `ak_not_fixed_parent`, `ak_origin_unknown`, `ak_scheme_missing`,
 * `ak_modulus_short`, `ak_exponent_weak`, `tpm_key_invalid`, `tpm_key_off_curve`, and what {@link decodeTpm} throws.
 */
export function checkAkPublic(bytes: Uint8Array): AttestationKey {
  const publicArea = decodeTpm(TPMT_PUBLIC, bytes);
  for (const { bit, isSet, code, state } of DEMANDS) {
    if (((publicArea.attributes & bit) !== 0) !== isSet) throw refusal(code, state);
  }
  // Part 2, 12.2.3.5: only a restricted decryption key has one.
  if (publicArea.symmetric !== null) throw refusal("ak_can_decrypt", "it has a cipher for children");
  const { scheme } = publicArea;
  if (scheme === null) throw refusal("ak_scheme_missing", "it does not say how it signs");
  if (publicArea.type === "rsa" && publicArea.keyBits < minModulusBits) {
    throw refusal("ak_modulus_short", `its modulus has ${publicArea.keyBits} bits`);
  }
  if (publicArea.type === "rsa" && exponentOf(publicArea) !== onlyExponent) {
    throw refusal("ak_exponent_weak", "its exponent is not 65537");
  }
  const key = createPublicKey({ key: Buffer.from(spkiOf(publicArea)), format: "der", type: "spki" });
  return { publicArea, name: tpmName(publicArea), scheme, key };
}

function refusal(code: ErrorCode, state: string): PosternError {
  return new PosternError(code, `Cannot trust attestation key: ${state}`);
}
