/** Certificates of nodes and of their authorities: read strictly, P-256 only. */
import {
  type Certificate,
  checkStrength,
  maxCertificateBytes,
  readCertificate,
} from "../attestation/ek/mod.ts";
import { der } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** Leaf, issuing CA, and a root that somebody sends along. */
export const maxPresented = 4;

/** DER of one certificate, of a peer or of a file. Throws `peer_certificate_malformed`, `peer_key_unsupported`. */
export function readNodeCertificate(bytes: Uint8Array): Certificate {
  let certificate: Certificate;
  try {
    certificate = readCertificate(bytes);
    if (certificate.bytes.length !== bytes.length) {
      throw new der.DerError("something follows the certificate");
    }
  } catch (cause) {
    throw new PosternError(
      "peer_certificate_malformed",
      "Cannot accept the peer's certificate: it is no certificate of a node",
      { cause },
    );
  }
  const { key } = certificate;
  try {
    if (key.type !== "ecc" || key.curve !== "p256") throw new Error("another kind of key");
    checkStrength(key);
  } catch (cause) {
    throw new PosternError(
      "peer_key_unsupported",
      "Cannot accept the peer's certificate: its key is not P-256",
      {
        cause,
      },
    );
  }
  return certificate;
}

const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*?)-----END CERTIFICATE-----/g;

/** DER of the certificates of a PEM text, in their order. Throws `peer_certificate_malformed`. */
export function chainOfPem(pem: string): Uint8Array<ArrayBuffer>[] {
  const found = pem.length > maxPresented * maxCertificateBytes * 2 ? [] : [...pem.matchAll(block)];
  try {
    if (found.length === 0 || found.length > maxPresented) {
      throw new SyntaxError("no certificates, or too many");
    }
    return found.map(([, base64]) => Uint8Array.fromBase64(base64));
  } catch (cause) {
    throw new PosternError(
      "peer_certificate_malformed",
      "Cannot read the certificates: they are no PEM chain",
      {
        cause,
      },
    );
  }
}

export function pemOfChain(chain: readonly Uint8Array[]): string {
  return chain.map((one) => der.toPem("CERTIFICATE", one)).join("");
}
