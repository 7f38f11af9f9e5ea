/**
 * DER SubjectPublicKeyInfo of TPM keys, both ways: RSA (RFC 8017 A.1, RFC 3279 2.3.1) and EC on P-256 and P-384
 * (RFC 5480, named curve, uncompressed point).
 *
 * Reading is strict: only the one encoding that writing gives is taken.
 */
import { concat, equalConstantTime, fromHex } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { isOnCurve } from "./curve.ts";
import { FIELD_BYTES, type TpmCurve, type TpmPublic } from "./public_area.ts";

/** A public key without what a TPM knows about it. */
export type BareKey =
  | { readonly type: "rsa"; readonly modulus: Uint8Array<ArrayBuffer>; readonly exponent: number }
  | {
    readonly type: "ecc";
    readonly curve: TpmCurve;
    readonly x: Uint8Array<ArrayBuffer>;
    readonly y: Uint8Array<ArrayBuffer>;
  };

/** Everything up to the point: AlgorithmIdentifier, BIT STRING, 0x04. */
const EC_PREFIX: Readonly<Record<TpmCurve, Uint8Array>> = {
  p256: fromHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
  p384: fromHex("3076301006072a8648ce3d020106052b8104002203620004"),
};
/** AlgorithmIdentifier rsaEncryption with NULL. */
const RSA_ALGORITHM = fromHex("300d06092a864886f70d0101010500");

/** RSA exponent when the structure says 0 (Part 2, 12.2.3.5). */
const defaultExponent = 65_537;
/** SubjectPublicKeyInfo of RSA-4096 has 550 bytes. */
const maxSpkiBytes = 1024;

const sequence = 0x30;
const integer = 0x02;
const bitString = 0x03;

/** SubjectPublicKeyInfo of a key. */
export function spkiOfKey(key: BareKey): Uint8Array<ArrayBuffer> {
  if (key.type === "ecc") return concat(EC_PREFIX[key.curve], key.x, key.y);
  const exponent = new Uint8Array(4);
  new DataView(exponent.buffer).setUint32(0, key.exponent);
  const numbers = der(sequence, concat(derUnsigned(key.modulus), derUnsigned(exponent)));
  return der(sequence, concat(RSA_ALGORITHM, der(bitString, concat(Uint8Array.of(0), numbers))));
}

/**
 * The bare key of a public area. Throws `tpm_key_off_curve`, and `tpm_key_invalid` when it is a template, or its modulus
 * is even or of another length.
 */
export function bareKeyOf(key: TpmPublic): BareKey {
  if (key.type === "rsa") {
    const { modulus } = key;
    if (modulus.length !== key.keyBits / 8 || modulus[0] < 0x80) {
      throw invalid("its modulus has another length");
    }
    if ((modulus[modulus.length - 1] & 1) === 0) throw invalid("its modulus is even");
    return { type: "rsa", modulus: new Uint8Array(modulus), exponent: key.exponent || defaultExponent };
  }
  const bytes = FIELD_BYTES[key.curve];
  const [x, y] = [padded(key.x, bytes), padded(key.y, bytes)];
  if (!isOnCurve(key.curve, x, y)) throw offCurve();
  return { type: "ecc", curve: key.curve, x, y };
}

/** SubjectPublicKeyInfo of a public area. Throws what {@link bareKeyOf} throws. */
export function spkiOf(key: TpmPublic): Uint8Array<ArrayBuffer> {
  return spkiOfKey(bareKeyOf(key));
}

/**
 * The key in a SubjectPublicKeyInfo. Throws `tpm_key_off_curve`, and `tpm_key_invalid` for other kinds of keys, RSA keys
 * above 4096 bits, exponents above 32 bits, and every encoding but the one of {@link spkiOfKey}.
 */
export function keyOfSpki(spki: Uint8Array): BareKey {
  if (spki.length > maxSpkiBytes) throw invalid("it is too long");
  for (const curve of Object.keys(EC_PREFIX) as TpmCurve[]) {
    const prefix = EC_PREFIX[curve];
    const bytes = FIELD_BYTES[curve];
    if (spki.length !== prefix.length + 2 * bytes) continue;
    if (!equalConstantTime(spki.subarray(0, prefix.length), prefix)) continue;
    const x = new Uint8Array(spki.subarray(prefix.length, prefix.length + bytes));
    const y = new Uint8Array(spki.subarray(prefix.length + bytes));
    if (!isOnCurve(curve, x, y)) throw offCurve();
    return { type: "ecc", curve, x, y };
  }
  const outer = new DerCursor(spki).enter(sequence);
  outer.skip(RSA_ALGORITHM);
  const bits = outer.enter(bitString);
  bits.skip(Uint8Array.of(0));
  const numbers = bits.enter(sequence);
  const modulus = numbers.unsigned();
  const exponentBytes = numbers.unsigned();
  if (modulus.length > 512 || (modulus[modulus.length - 1] & 1) === 0) {
    throw invalid("its modulus is out of range");
  }
  if (exponentBytes.length > 4) throw invalid("its exponent is out of range");
  const exponent = exponentBytes.reduce((value, byte) => value * 256 + byte, 0);
  const key: BareKey = { type: "rsa", modulus, exponent };
  // Lengths in long form, leading zeros, bytes behind: whatever was not minimal shows here.
  if (!equalConstantTime(spkiOfKey(key), spki)) throw invalid("it is not in its only encoding");
  return key;
}

/** Just enough DER (X.690 8, 10) to find what is compared afterwards. */
class DerCursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  enter(tag: number): DerCursor {
    return new DerCursor(this.#value(tag));
  }

  skip(expected: Uint8Array): void {
    const found = this.#bytes.subarray(this.#at, this.#at + expected.length);
    if (!equalConstantTime(found, expected)) throw invalid("it is of another kind");
    this.#at += expected.length;
  }

  /** An INTEGER without its sign byte. */
  unsigned(): Uint8Array<ArrayBuffer> {
    const value = this.#value(integer);
    return new Uint8Array(value[0] === 0 ? value.subarray(1) : value);
  }

  #value(tag: number): Uint8Array {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== tag) throw invalid("it is of another kind");
    let length = bytes[this.#at + 1];
    this.#at += 2;
    if (length > 0x82) throw invalid("a length is out of range");
    for (let more = length - 0x80, first = true; more > 0; more--, first = false) {
      length = (first ? 0 : length * 256) + bytes[this.#at++];
    }
    // A length that is missing is NaN, and no comparison holds for it.
    if (!(length > 0 && this.#at + length <= bytes.length)) throw invalid("it ends too early");
    this.#at += length;
    return bytes.subarray(this.#at - length, this.#at);
  }
}

function derUnsigned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const digits = bytes.subarray(at);
  return der(integer, digits[0] >= 0x80 ? concat(Uint8Array.of(0), digits) : digits);
}

function der(tag: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...size), content);
}

function padded(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}

function offCurve(): PosternError {
  return new PosternError("tpm_key_off_curve", "Cannot use a public key: its point is not on the curve");
}

function invalid(state: string): PosternError {
  return new PosternError("tpm_key_invalid", `Cannot use a public key: ${state}`);
}
