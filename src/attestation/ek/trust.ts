/** Whose EK certificates are believed: certificates from the operator's files, and what was taken back. */
import { utf8Decode } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type Certificate, isSelfSigned, readCertificate } from "./certificate.ts";
import { noRevocations, type Revocations } from "./revocations.ts";

export interface EkTrust {
  /** Certificates that are signed with their own key, or that the operator says so of: a chain ends at one of them. */
  readonly roots: readonly Certificate[];
  /** The others: they complete the chains of TPMs that do not hold their intermediates. */
  readonly intermediates: readonly Certificate[];
  readonly revocations: Revocations;
}

/** Nobody is believed. */
export const noEkTrust: EkTrust = Object.freeze({ roots: [], intermediates: [], revocations: noRevocations });

/** A bundle of all manufacturers has about a hundred. */
export const maxCertificateFileBytes = 1_024 * 1_024;

const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/**
 * The certificates in a file: one in DER, or any number in PEM (RFC 7468) with other text around them.
 * @throws PosternError `ek_roots_unusable`
 */
export function readCertificateFile(bytes: Uint8Array, path: string): Certificate[] {
  const unusable = (state: string, cause?: unknown) =>
    new PosternError(
      "ek_roots_unusable",
      `Cannot use ${path} as certificates of TPM manufacturers: ${state}`,
      {
        cause,
      },
    );
  if (bytes.length > maxCertificateFileBytes) {
    throw unusable(`it has more than ${maxCertificateFileBytes} bytes`);
  }
  const read = (encoded: Uint8Array): Certificate => {
    try {
      return readCertificate(encoded);
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      throw unusable(`${error.code}: ${error.message}`, error);
    }
  };
  // A SEQUENCE with its length in two octets: DER. PEM is text, and begins with none of that.
  if (bytes[0] === 0x30 && bytes[1] >= 0x80) return [read(bytes)];
  let text: string;
  try {
    text = utf8Decode(bytes);
  } catch (cause) {
    throw unusable("it is neither DER nor text", cause);
  }
  const found = [...text.matchAll(block)].map(([, base64]) => {
    try {
      return Uint8Array.fromBase64(base64);
    } catch (cause) {
      throw unusable("its base64 is malformed", cause);
    }
  });
  if (found.length !== text.split("-----BEGIN ").length - 1) {
    throw unusable("it holds something else than certificates, or half of one");
  }
  if (found.length === 0) throw unusable("it holds no certificate");
  return found.map(read);
}

/**
 * Sorts certificates into roots and others; each counts once.
 * @param anchors certificates that the operator takes for roots, whoever signed them
 */
export function ekTrustOf(
  certificates: readonly Certificate[],
  revocations: Revocations,
  anchors: readonly Certificate[] = [],
): EkTrust {
  const all = new Map([...certificates, ...anchors].map((certificate) => [certificate.sha256, certificate]));
  const chosen = new Set(anchors.map((certificate) => certificate.sha256));
  const roots = [...all.values()].filter((one) => chosen.has(one.sha256) || isSelfSigned(one));
  return { roots, intermediates: [...all.values()].filter((one) => !roots.includes(one)), revocations };
}
