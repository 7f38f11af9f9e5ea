/** X.509 certificates (RFC 5280 4.1), read once and strictly: what is verified is what was read. */
import { createHash } from "node:crypto";
import { der } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type Extensions, readExtensionList, readExtensions } from "./extensions.ts";
import { type CertifiedKey, readPublicKey } from "./public_key.ts";
import { readSignatureAlgorithm, type SignatureAlgorithm, signatureHolds } from "./signature.ts";

/** A certificate as it is; whether to trust it is another question. */
export interface Certificate {
  /** Without padding. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, hex. */
  readonly sha256: string;
  /** SHA-256 of the canonical SubjectPublicKeyInfo, hex. */
  readonly keySha256: string;
  /** Hex without leading zeros. */
  readonly serial: string;
  /** Name elements, hex: compared as they are encoded. */
  readonly issuer: string;
  readonly subject: string;
  /** Unix milliseconds, both included. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly key: CertifiedKey;
  readonly extensions: Extensions;
  readonly algorithm: SignatureAlgorithm;
  /** What was signed, and the signature. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** A certificate with the padding that a TPM's NV storage may add. Real ones have 2 KiB at most. */
export const maxCertificateBytes = 8_192;

/**
 * Reads a certificate, which zeros or ones (00, ff) may follow as NV storage has them. The bytes may be a peer's.
 * @throws PosternError `ek_certificate_oversized`, `ek_certificate_malformed`, `ek_certificate_trailing`,
 * `ek_extension_duplicate`, `ek_algorithm_unsupported`
 */
export function readCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > maxCertificateBytes) {
    throw new PosternError("ek_certificate_oversized", "Cannot read the certificate: it has too many bytes", {
      detail: { bytes: bytes.length, limit: maxCertificateBytes },
    });
  }
  try {
    const reader = new der.DerReader(bytes);
    const { whole, content } = reader.read(der.TAG.sequence);
    const padding = reader.rest;
    if (!padding.every((octet) => octet === padding[0]) || (padding.length > 0 && !isPadding(padding[0]))) {
      throw new PosternError("ek_certificate_trailing", "Cannot read the certificate: something follows it");
    }
    return readFields(new Uint8Array(whole), content.length);
  } catch (error) {
    if (!(error instanceof der.DerError)) throw error;
    throw new PosternError(
      "ek_certificate_malformed",
      "Cannot read the certificate: it is no X.509 certificate",
      {
        cause: error,
      },
    );
  }
}

function isPadding(octet: number): boolean {
  return octet === 0 || octet === 0xff;
}

function readFields(bytes: Uint8Array, contentLength: number): Certificate {
  const outer = new der.DerReader(bytes.subarray(bytes.length - contentLength));
  const { whole: signed, content } = outer.read(der.TAG.sequence);
  const algorithm = outer.read(der.TAG.sequence).whole;
  const signature = outer.octetsOfBits();
  outer.end();

  const fields = new der.DerReader(content);
  const version = fields.enter(0xa0);
  // EK certificates have extensions, and those are of version 3.
  if (version.smallInteger() !== 2) throw new der.DerError("the version is not 3");
  version.end();
  const serial = fields.integer().toHex().replace(/^0+(?=.)/, "");
  // RFC 5280 4.1.1.2: the same as what is not signed over.
  if (fields.read(der.TAG.sequence).whole.toHex() !== algorithm.toHex()) {
    throw new der.DerError("the two signature algorithms differ");
  }
  const issuer = fields.read(der.TAG.sequence).whole.toHex();
  const validity = fields.enter();
  const notBeforeMs = validity.time();
  const notAfterMs = validity.time();
  validity.end();
  const subject = fields.read(der.TAG.sequence).whole.toHex();
  const key = readPublicKey(fields);
  fields.readOptional(0x81); // unique identifiers: of no use, and nobody writes them
  fields.readOptional(0x82);
  const wrapped = fields.enterOptional(0xa3);
  fields.end();
  const list = wrapped?.enter();
  wrapped?.end();
  return {
    bytes,
    sha256: sha256(bytes),
    keySha256: sha256(key.spki),
    serial,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    key,
    extensions: readExtensions(list === undefined ? new Map() : readExtensionList(list)),
    algorithm: readSignatureAlgorithm(algorithm),
    signed,
    signature,
  };
}

/** Whether its name is its issuer's as well. */
export function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return subject === issuer;
}

/**
 * Whether it is signed with its own key, as a root is. A root that says so with a weak algorithm is taken at its word: what
 * makes a root is where its file lies.
 */
export function isSelfSigned(certificate: Certificate): boolean {
  if (!isSelfIssued(certificate)) return false;
  const { algorithm, key, signed, signature, extensions: { authorityKeyId, subjectKeyId } } = certificate;
  if (algorithm.kind === "weak" || algorithm.kind === "unknown") {
    return authorityKeyId === undefined || authorityKeyId === subjectKeyId;
  }
  return signatureHolds(algorithm, key, signed, signature);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
