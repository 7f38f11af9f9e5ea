import { PosternError } from "../../errors/mod.ts";
import { readCertificate } from "./certificate.ts";
import { type TpmIdentity, tpmIdentityOf, vendorOf } from "./tpm_identity.ts";

/** What an EK certificate says, for people. */
export interface EkDescription extends TpmIdentity {
  /** Letters of the manufacturer's id, where it has some. */
  readonly vendor?: string;
  /** SHA-256 of the certificate, hex: what a revocation list names it by. */
  readonly certificateSha256: string;
  /** Hex. */
  readonly serial: string;
  /** Unix milliseconds. */
  readonly notAfterMs: number;
}

/** Reads a certificate without judging it. Undefined for what is no EK certificate. */
export function describeEk(certificate: Uint8Array): EkDescription | undefined {
  try {
    const { sha256, serial, notAfterMs, extensions } = readCertificate(certificate);
    const identity = tpmIdentityOf(extensions.directoryNames);
    const vendor = vendorOf(identity);
    const named = vendor === undefined ? {} : { vendor };
    return { ...identity, ...named, certificateSha256: sha256, serial, notAfterMs };
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return undefined;
  }
}
