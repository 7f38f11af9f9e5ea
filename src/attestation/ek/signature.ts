/** Signatures of certificates and revocation lists (RFC 3279 2.2, RFC 4055, RFC 5758). */
import { Buffer } from "node:buffer";
import { constants, verify } from "node:crypto";
import { der } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type CertifiedKey, keyObject } from "./public_key.ts";

type Hash = "sha256" | "sha384" | "sha512";

/** How something was signed; weak and unknown ways are an error only once such a signature would count. */
export type SignatureAlgorithm =
  | { readonly kind: "rsa" | "rsa-pss" | "ecc"; readonly hash: Hash }
  | { readonly kind: "weak" | "unknown"; readonly oid: string };

const pss = "1.2.840.113549.1.1.10";
const mgf1 = "1.2.840.113549.1.1.8";

const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  "1.2.840.113549.1.1.11": { kind: "rsa", hash: "sha256" },
  "1.2.840.113549.1.1.12": { kind: "rsa", hash: "sha384" },
  "1.2.840.113549.1.1.13": { kind: "rsa", hash: "sha512" },
  "1.2.840.10045.4.3.2": { kind: "ecc", hash: "sha256" },
  "1.2.840.10045.4.3.3": { kind: "ecc", hash: "sha384" },
  "1.2.840.10045.4.3.4": { kind: "ecc", hash: "sha512" },
};
/** MD2, MD5, SHA-1 and SHA-224 with RSA, SHA-1 and SHA-224 with ECDSA and DSA. */
const weakAlgorithms: ReadonlySet<string> = new Set([
  ...["1.2.840.113549.1.1.2", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.14"],
  ...["1.2.840.10045.4.1", "1.2.840.10045.4.3.1", "1.2.840.10040.4.3", "1.3.14.3.2.29"],
]);
const hashes: Readonly<Record<string, { readonly hash: Hash; readonly bytes: number }>> = {
  "2.16.840.1.101.3.4.2.1": { hash: "sha256", bytes: 32 },
  "2.16.840.1.101.3.4.2.2": { hash: "sha384", bytes: 48 },
  "2.16.840.1.101.3.4.2.3": { hash: "sha512", bytes: 64 },
};

/** From an AlgorithmIdentifier, whole. Throws `DerError`. */
export function readSignatureAlgorithm(whole: Uint8Array): SignatureAlgorithm {
  const algorithm = new der.DerReader(whole).enter();
  const oid = algorithm.objectIdentifier();
  if (oid === pss) return pssAlgorithm(algorithm);
  if (Object.hasOwn(algorithms, oid)) {
    algorithm.readOptional(der.TAG.null); // RSA has it, ECDSA has not; some write it the other way around
    algorithm.end();
    return algorithms[oid];
  }
  return { kind: weakAlgorithms.has(oid) ? "weak" : "unknown", oid };
}

/** RFC 4055 3.1: one hash for everything, and a salt as long as it. Without parameters it is SHA-1. */
function pssAlgorithm(algorithm: der.DerReader): SignatureAlgorithm {
  const odd = { kind: "weak", oid: pss } as const;
  if (algorithm.isEmpty) return odd;
  const fields = algorithm.enter();
  algorithm.end();
  const hashField = fields.enterOptional(0xa0);
  const maskField = fields.enterOptional(0xa1);
  const saltField = fields.enterOptional(0xa2);
  const trailerField = fields.enterOptional(0xa3);
  fields.end();
  if (hashField === undefined || maskField === undefined || saltField === undefined) return odd;
  const hash = hashField.enter().objectIdentifier();
  const mask = maskField.enter();
  if (mask.objectIdentifier() !== mgf1 || mask.enter().objectIdentifier() !== hash) return odd;
  if (!Object.hasOwn(hashes, hash) || saltField.smallInteger() !== hashes[hash].bytes) return odd;
  if (trailerField !== undefined && trailerField.smallInteger() !== 1) return odd;
  return { kind: "rsa-pss", hash: hashes[hash].hash };
}

/** Throws `ek_algorithm_weak`, `ek_algorithm_unsupported` for a way of signing that does not count. */
export function checkAlgorithm(algorithm: SignatureAlgorithm): void {
  if (algorithm.kind === "weak") {
    throw new PosternError(
      "ek_algorithm_weak",
      "Cannot trust the certificate: its signature algorithm is weak",
      {
        detail: { algorithm: algorithm.oid },
      },
    );
  }
  if (algorithm.kind === "unknown") {
    throw new PosternError(
      "ek_algorithm_unsupported",
      "Cannot trust the certificate: its signature algorithm is not known",
      { detail: { algorithm: algorithm.oid } },
    );
  }
}

/** Whether `key` signed `signed`. */
export function signatureHolds(
  algorithm: SignatureAlgorithm,
  key: CertifiedKey,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!("hash" in algorithm) || (algorithm.kind === "ecc") !== (key.type === "ecc")) return false;
  const { hash, kind } = algorithm;
  try {
    return verify(
      hash,
      Buffer.from(signed),
      kind === "rsa-pss"
        ? {
          key: keyObject(key),
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }
        : keyObject(key),
      Buffer.from(signature),
    );
  } catch {
    // Bytes that are no signature at all.
    return false;
  }
}
