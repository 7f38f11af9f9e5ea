/** Public keys of certificates, from their SubjectPublicKeyInfo (RFC 3279 2.3, RFC 5480). */
import { createPublicKey, type KeyObject } from "node:crypto";
import { Buffer } from "node:buffer";
import { der } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";

export type EkCurve = "p256" | "p384" | "p521";

export interface RsaPublicKey {
  readonly type: "rsa";
  /** Big-endian, no leading zero. */
  readonly modulus: Uint8Array;
  readonly exponent: number;
}

export interface EccPublicKey {
  readonly type: "ecc";
  readonly curve: EkCurve;
  /** As wide as the curve's field. */
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

/** The key, and the one encoding of it that hashes and names are made of. */
export type CertifiedKey = (RsaPublicKey | EccPublicKey) & { readonly spki: Uint8Array<ArrayBuffer> };

const rsaEncryption = "1.2.840.113549.1.1.1";
/** What older TPMs certify their RSA keys with (RFC 4055 4.1): the same key, for one padding only. */
const rsaesOaep = "1.2.840.113549.1.1.7";
const ecPublicKey = "1.2.840.10045.2.1";

const curves: Readonly<Record<string, { readonly curve: EkCurve; readonly bytes: number }>> = {
  "1.2.840.10045.3.1.7": { curve: "p256", bytes: 32 },
  "1.3.132.0.34": { curve: "p384", bytes: 48 },
  "1.3.132.0.35": { curve: "p521", bytes: 66 },
};

const minRsaBits = 2_048;
/** What a verification may cost is bounded. */
const maxRsaBits = 8_192;
const minRsaExponent = 65_537;

/** From the contents of a certificate. Throws `DerError`, `ek_algorithm_unsupported`. */
export function readPublicKey(reader: der.DerReader): CertifiedKey {
  const info = reader.enter();
  const algorithm = info.enter();
  const oid = algorithm.objectIdentifier();
  switch (oid) {
    case rsaEncryption:
      if (algorithm.read(der.TAG.null).content.length > 0) throw new der.DerError("a null is not empty");
      algorithm.end();
      break;
    case rsaesOaep:
      break; // its parameters choose the padding, which a TPM's template does
    case ecPublicKey:
      return eccKey(algorithm, info);
    default:
      throw unsupported("its public key", oid);
  }
  const bits = info.octetsOfBits();
  info.end();
  const outer = new der.DerReader(bits);
  const key = outer.enter();
  outer.end();
  const modulus = positive(key.integer());
  const exponent = positive(key.integer());
  key.end();
  if (exponent.length > 4) throw unsupported("its public exponent", `${exponent.length * 8} bits`);
  return {
    type: "rsa",
    modulus,
    exponent: exponent.reduce((sum, octet) => sum * 256 + octet, 0),
    spki: der.sequence(
      der.sequence(der.objectIdentifier(rsaEncryption), der.element(der.TAG.null)),
      der.bitString(bits),
    ),
  };
}

function eccKey(algorithm: der.DerReader, info: der.DerReader): EccPublicKey & CertifiedKey {
  const oid = algorithm.objectIdentifier();
  algorithm.end();
  if (!Object.hasOwn(curves, oid)) throw unsupported("its curve", oid);
  const { curve, bytes } = curves[oid];
  const point = info.octetsOfBits();
  info.end();
  // SEC 1 2.3.3: uncompressed. RFC 5480 2.2 lets nobody demand the compressed form.
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) throw new der.DerError("a point is not uncompressed");
  return {
    type: "ecc",
    curve,
    x: point.subarray(1, 1 + bytes),
    y: point.subarray(1 + bytes),
    spki: der.sequence(
      der.sequence(der.objectIdentifier(ecPublicKey), der.objectIdentifier(oid)),
      der.bitString(point),
    ),
  };
}

/** Throws `ek_key_weak` for keys that can be broken, and for points that are none of their curve. */
export function checkStrength(key: CertifiedKey): void {
  if (key.type === "rsa") {
    const bits = key.modulus.length * 8 - Math.clz32(key.modulus[0]) + 24;
    if (bits < minRsaBits) throw weak(`it has ${bits} bits`);
    if (bits > maxRsaBits) {
      throw new PosternError(
        "ek_algorithm_unsupported",
        `Cannot use the RSA key of the certificate: it has ${bits} bits`,
      );
    }
    if (key.modulus.at(-1)! % 2 === 0) throw weak("its modulus is even");
    if (key.exponent < minRsaExponent || key.exponent % 2 === 0) {
      throw weak("its exponent is too small or even");
    }
    if (hasInfineonPrimes(key.modulus)) throw weak("its primes are those of CVE-2017-15361");
  } else keyObject(key);
}

/** Throws `ek_key_weak` when the runtime refuses it: a point off the curve. */
export function keyObject(key: CertifiedKey): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
  } catch {
    throw weak("it is no point of its curve");
  }
}

/**
 * Odd primes up to 167, as the test of Nemec et al. (CCS 2017, "The Return of Coppersmith's Attack") takes them: modulo each of
 * these, a modulus of the flawed library is a power of 65537. Of sound keys one in some hundred millions is like that.
 */
const smallPrimes = [
  ...[
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
    89,
    97,
    101,
    103,
    107,
  ],
  ...[109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167],
];

function hasInfineonPrimes(modulus: Uint8Array): boolean {
  return smallPrimes.every((prime) => {
    let rest = 0;
    for (const octet of modulus) rest = (rest * 256 + octet) % prime;
    let power = 1;
    do {
      if (power === rest) return true;
      power = power * 65_537 % prime;
    } while (power !== 1);
    return false;
  });
}

function positive(octets: Uint8Array): Uint8Array {
  if (octets[0] >= 0x80 || (octets.length === 1 && octets[0] === 0)) {
    throw new der.DerError("a number of a key is not positive");
  }
  return octets[0] === 0 ? octets.subarray(1) : octets;
}

function unsupported(what: string, found: string): PosternError {
  return new PosternError(
    "ek_algorithm_unsupported",
    `Cannot read the certificate: ${what} is of no known kind`,
    {
      detail: { found },
    },
  );
}

function weak(state: string): PosternError {
  return new PosternError("ek_key_weak", `Cannot trust the key of the certificate: ${state}`);
}
