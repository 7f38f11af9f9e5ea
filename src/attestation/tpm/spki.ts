/**
 * DER SubjectPublicKeyInfo of TPM keys: RSA (RFC 8017 A.1, RFC 3279 2.3.1) and EC on P-256 and P-384 (RFC 5480, named
 * curve, uncompressed point).
 */
import { concat, der, fromHex } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { isOnCurve } from "./curve.ts";
import {
  FIELD_BYTES,
  type TpmCurve,
  type TpmEccPublic,
  type TpmPublic,
  type TpmRsaPublic,
} from "./public_area.ts";

/** Everything up to the point: AlgorithmIdentifier, BIT STRING, 0x04. */
const EC_PREFIX: Readonly<Record<TpmCurve, Uint8Array>> = {
  p256: fromHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
  p384: fromHex("3076301006072a8648ce3d020106052b8104002203620004"),
};
const RSA_ALGORITHM = der.sequence(der.objectIdentifier("1.2.840.113549.1.1.1"), der.element(der.TAG.null));

/** RSA exponent when the structure says 0 (Part 2, 12.2.3.5). */
const defaultExponent = 65_537;

/**
 * SubjectPublicKeyInfo of a public area. Throws `tpm_key_off_curve`, and `tpm_key_invalid` when it is a template, or its
 * modulus is even or of another length.
 */
export function spkiOf(key: TpmPublic): Uint8Array<ArrayBuffer> {
  return key.type === "rsa" ? spkiOfRsa(key) : spkiOfEcc(key);
}

/** The exponent that a public area means. */
export function exponentOf({ exponent }: TpmRsaPublic): number {
  return exponent === 0 ? defaultExponent : exponent;
}

function spkiOfRsa(key: TpmRsaPublic): Uint8Array<ArrayBuffer> {
  const { modulus } = key;
  if (modulus.length !== key.keyBits / 8 || modulus[0] < 0x80) {
    throw invalid("its modulus has another length");
  }
  if ((modulus[modulus.length - 1] & 1) === 0) throw invalid("its modulus is even");
  const exponent = exponentOf(key);
  const octets = [24, 16, 8, 0].map((shift) => exponent >>> shift & 0xff);
  const numbers = der.sequence(der.integer(...modulus), der.integer(...octets));
  return der.sequence(RSA_ALGORITHM, der.bitString(numbers));
}

function spkiOfEcc({ curve, x, y }: TpmEccPublic): Uint8Array<ArrayBuffer> {
  if (!isOnCurve(curve, x, y)) {
    throw new PosternError("tpm_key_off_curve", "Cannot use a public key: its point is not on the curve");
  }
  // Some TPMs leave out leading zeros.
  const padded = (bytes: Uint8Array) => concat(new Uint8Array(FIELD_BYTES[curve] - bytes.length), bytes);
  return concat(EC_PREFIX[curve], padded(x), padded(y));
}

function invalid(state: string): PosternError {
  return new PosternError("tpm_key_invalid", `Cannot use a public key: ${state}`);
}
