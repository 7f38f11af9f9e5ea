/** Writes certificates of version 3 (RFC 5280 4.1) that a P-256 key signs. */
import { der } from "../bytes/mod.ts";

export const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
/** AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 3.2). */
export const ecdsaWithSha256: Uint8Array = der.sequence(der.objectIdentifier("1.2.840.10045.4.3.2"));

/** What is signed. Names, key and extensions are whole DER elements. */
export interface CertificateDraft {
  /** As {@link serialOf} makes it. */
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Unix milliseconds; whole seconds are written, and the last one is part of the validity. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

/** Signs with a P-256 private key; DER of the certificate. */
export async function signCertificate(
  key: CryptoKey,
  draft: CertificateDraft,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = der.sequence(
    der.context(0, der.integer(2)),
    der.integer(...draft.serial),
    ecdsaWithSha256,
    draft.issuer,
    der.sequence(der.time(draft.notBeforeMs), der.time(draft.notAfterMs)),
    draft.subject,
    draft.publicKey,
    der.context(3, der.sequence(...draft.extensions)),
  );
  return der.sequence(body, ecdsaWithSha256, der.bitString(await ecdsaSignature(key, body)));
}

/** ECDSA with SHA-256 as certificates hold it: r and s in a sequence (RFC 3279 2.2.3), where WebCrypto has them side by side. */
export async function ecdsaSignature(
  key: CryptoKey,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const pair = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, bytes));
  const half = pair.length / 2;
  return der.sequence(der.integer(...pair.subarray(0, half)), der.integer(...pair.subarray(half)));
}

/** 16 random octets as a serial number: positive and of one length, so the first bit is cleared and the second one set. */
export function serialOf(random: Uint8Array): Uint8Array {
  return Uint8Array.of(random[0] & 0x7f | 0x40, ...random.subarray(1));
}

export function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

/** Critical. @param maxBelow authorities that may stand below this one; undefined: it is no authority */
export function basicConstraints(maxBelow: number | undefined): Uint8Array {
  const content = maxBelow === undefined ? [] : [der.boolean(true), der.integer(maxBelow)];
  return extension("2.5.29.19", true, der.sequence(...content));
}

/** Bits of the first octet (RFC 5280 4.2.1.3). */
export const KEY_USAGE_BITS = Object.freeze({ digitalSignature: 0x80, certificateSign: 0x04, crlSign: 0x02 });

/** Critical. @param bits of {@link KEY_USAGE_BITS}, joined */
export function keyUsage(bits: number): Uint8Array {
  // Named bits have no zeros at their end (X.690 11.2.2).
  return extension("2.5.29.15", true, der.bitString(Uint8Array.of(bits), 31 - Math.clz32(bits & -bits)));
}

export function extendedKeyUsage(...oids: string[]): Uint8Array {
  return extension("2.5.29.37", false, der.sequence(...oids.map(der.objectIdentifier)));
}

/** @param names GeneralNames. @param critical as it has to be where the subject is empty (RFC 5280 4.1.2.6) */
export function subjectAltName(critical: boolean, ...names: Uint8Array[]): Uint8Array {
  return extension("2.5.29.17", critical, der.sequence(...names));
}

export function subjectKeyId(keyId: Uint8Array): Uint8Array {
  return extension("2.5.29.14", false, der.octetString(keyId));
}

export function authorityKeyId(keyId: Uint8Array): Uint8Array {
  return extension("2.5.29.35", false, der.sequence(der.contextString(0, keyId)));
}

export function commonName(text: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.objectIdentifier("2.5.4.3"), der.utf8String(text))));
}

/** SubjectPublicKeyInfo of a public key. */
export async function spkiOfKey(key: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", key));
}

/** The first 160 bits of the SHA-256 hash of the public key's bits (RFC 7093 2). */
export async function keyIdOf(spki: Uint8Array): Promise<Uint8Array> {
  const info = new der.DerReader(spki).enter();
  info.read(der.TAG.sequence);
  const point = new Uint8Array(info.octetsOfBits());
  return new Uint8Array(await crypto.subtle.digest("SHA-256", point)).subarray(0, 20);
}
