/** Certificates as nobody should make them: every field of a chain can be set, signatures are right unless told otherwise. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { Buffer } from "node:buffer";
import { concat, der, utf8 } from "../../src/bytes/mod.ts";

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface Extension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

/** How a certificate is signed. `sha1` to have it refused. */
export type Signing =
  | "ecdsa-sha256"
  | "ecdsa-sha384"
  | "ecdsa-sha1"
  | "rsa-sha256"
  | "rsa-sha1"
  | "rsa-pss-sha256";

export interface Draft {
  readonly subject?: string;
  readonly serial?: number;
  readonly keys?: KeyPair;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** All of them; those of {@link ekExtensions} or {@link authorityExtensions} otherwise. */
  readonly extensions?: readonly Extension[];
  readonly signing?: Signing;
  /** SubjectPublicKeyInfo in place of that of `keys`. */
  readonly spki?: Uint8Array;
}

/** A certificate, and what issues others with it. */
export interface Issued {
  readonly der: Uint8Array<ArrayBuffer>;
  readonly name: string;
  readonly keys: KeyPair;
}

/** The moment at which tests verify. */
export const testNowMs = Date.UTC(2030, 5, 15);
const yearMs = 365 * 86_400_000;

const algorithms: Record<
  Signing,
  { readonly oid: string; readonly parameters: readonly Uint8Array[]; readonly hash: string }
> = {
  "ecdsa-sha256": { oid: "1.2.840.10045.4.3.2", parameters: [], hash: "sha256" },
  "ecdsa-sha384": { oid: "1.2.840.10045.4.3.3", parameters: [], hash: "sha384" },
  "ecdsa-sha1": { oid: "1.2.840.10045.4.1", parameters: [], hash: "sha1" },
  "rsa-sha256": { oid: "1.2.840.113549.1.1.11", parameters: [der.element(der.TAG.null)], hash: "sha256" },
  "rsa-sha1": { oid: "1.2.840.113549.1.1.5", parameters: [der.element(der.TAG.null)], hash: "sha1" },
  "rsa-pss-sha256": { oid: "1.2.840.113549.1.1.10", parameters: [pssParameters(32)], hash: "sha256" },
};

/** RSASSA-PSS-params with SHA-256 throughout. */
export function pssParameters(saltBytes: number): Uint8Array {
  const sha256 = der.sequence(der.objectIdentifier("2.16.840.1.101.3.4.2.1"), der.element(der.TAG.null));
  return der.sequence(
    der.context(0, sha256),
    der.context(1, der.sequence(der.objectIdentifier("1.2.840.113549.1.1.8"), sha256)),
    der.context(2, der.integer(saltBytes)),
  );
}

export function eccKeys(curve: "P-256" | "P-384" | "P-521" = "P-256"): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: curve });
}

/** Slow beyond 2048 bits. */
export function rsaKeys(bits = 2048, exponent = 65_537): KeyPair {
  return generateKeyPairSync("rsa", { modulusLength: bits, publicExponent: exponent });
}

export function spkiOf(keys: KeyPair): Uint8Array<ArrayBuffer> {
  return new Uint8Array(keys.publicKey.export({ format: "der", type: "spki" }));
}

let serials = 1;
let names = 1;

/** A certificate by `issuer`, or one that signs itself. */
export function issue(issuer: Issued | undefined, draft: Draft = {}): Issued {
  const keys = draft.keys ?? eccKeys();
  const name = draft.subject ?? `Certificate ${names++}`;
  const signing = draft.signing ?? "ecdsa-sha256";
  const { oid, parameters } = algorithms[signing];
  const algorithm = der.sequence(der.objectIdentifier(oid), ...parameters);
  const body = der.sequence(
    der.context(0, der.integer(2)),
    der.integer(...unsigned(draft.serial ?? serials++)),
    algorithm,
    nameOf(issuer?.name ?? name),
    der.sequence(
      der.time(draft.notBeforeMs ?? testNowMs - yearMs),
      der.time(draft.notAfterMs ?? testNowMs + 30 * yearMs),
    ),
    nameOf(name),
    draft.spki ?? spkiOf(keys),
    der.context(3, der.sequence(...(draft.extensions ?? authorityExtensions()).map(encodeExtension))),
  );
  return { der: signed(body, algorithm, signing, (issuer?.keys ?? keys).privateKey), name, keys };
}

/** An authority: a root without `issuer`, an intermediate with one. */
export function authority(issuer?: Issued, draft: Draft = {}): Issued {
  return issue(issuer, { extensions: authorityExtensions(), ...draft });
}

/** A good EK certificate, P-256 unless the draft says otherwise. */
export function ekCertificate(issuer: Issued, draft: Draft = {}): Issued {
  return issue(issuer, { subject: "", extensions: ekExtensions(), ...draft });
}

export function signed(
  body: Uint8Array,
  algorithm: Uint8Array,
  signing: Signing,
  key: KeyObject,
): Uint8Array<ArrayBuffer> {
  const options = signing === "rsa-pss-sha256" ? { key, padding: 6, saltLength: 32 } : key;
  return der.sequence(
    body,
    algorithm,
    der.bitString(new Uint8Array(sign(algorithms[signing].hash, Buffer.from(body), options))),
  );
}

export function basicConstraints(isAuthority: boolean, pathLength?: number): Extension {
  return {
    oid: "2.5.29.19",
    critical: true,
    value: der.sequence(
      ...(isAuthority ? [der.boolean(true)] : []),
      ...(pathLength === undefined ? [] : [der.integer(pathLength)]),
    ),
  };
}

/** @param bits numbers of RFC 5280 4.2.1.3, below 8 */
export function keyUsage(...bits: number[]): Extension {
  const octet = bits.reduce((sum, bit) => sum | 0x80 >> bit, 0);
  return { oid: "2.5.29.15", critical: true, value: der.bitString(Uint8Array.of(octet)) };
}

export function extendedKeyUsage(...oids: string[]): Extension {
  return { oid: "2.5.29.37", value: der.sequence(...oids.map(der.objectIdentifier)) };
}

/** Attributes of a TPM, each in a set of its own. */
export function tpmNames(attributes: readonly (readonly [oid: string, text: string])[]): Extension {
  const name = der.sequence(
    ...attributes.map(([oid, text]) =>
      der.set(der.sequence(der.objectIdentifier(oid), der.utf8String(text)))
    ),
  );
  return { oid: "2.5.29.17", critical: true, value: der.sequence(der.context(4, name)) };
}

export const tpmAttributes: readonly (readonly [string, string])[] = [
  ["2.23.133.2.1", "id:504F5354"],
  ["2.23.133.2.2", "Hostile"],
  ["2.23.133.2.3", "id:00010002"],
];

export function authorityExtensions(pathLength?: number): readonly Extension[] {
  return [basicConstraints(true, pathLength), keyUsage(5, 6)];
}

/** @param without identifiers of what to leave out */
export function ekExtensions(without: readonly string[] = []): readonly Extension[] {
  return [basicConstraints(false), keyUsage(4), extendedKeyUsage("2.23.133.8.1"), tpmNames(tpmAttributes)]
    .filter(({ oid }) => !without.includes(oid));
}

/** PEM. */
export function pemOf(...certificates: readonly Issued[]): string {
  return certificates.map((one) => der.toPem("CERTIFICATE", one.der)).join("");
}

function encodeExtension({ oid, critical = false, value }: Extension): Uint8Array {
  return der.sequence(
    der.objectIdentifier(oid),
    ...(critical ? [der.boolean(true)] : []),
    der.octetString(value),
  );
}

function nameOf(text: string): Uint8Array {
  if (text === "") return der.sequence();
  return der.sequence(der.set(der.sequence(der.objectIdentifier("2.5.4.3"), der.utf8String(text))));
}

function unsigned(value: number): number[] {
  const octets = [value & 0xff];
  for (let left = Math.floor(value / 256); left > 0; left = Math.floor(left / 256)) {
    octets.unshift(left & 0xff);
  }
  return octets;
}

/** `bytes` with `more` behind them. */
export function followedBy(bytes: Uint8Array, more: Uint8Array | string): Uint8Array<ArrayBuffer> {
  return concat(bytes, typeof more === "string" ? utf8(more) : more);
}
