/** How a node proves, for a renewal, that it holds the key that was certified last. */
import { createHash } from "node:crypto";
import { type Certificate, signatureHolds } from "../attestation/ek/mod.ts";
import { concat, utf8 } from "../bytes/mod.ts";
import { ecdsaSignature } from "../x509/mod.ts";

/** The key of `certificate` signs a fresh nonce of control and the request that follows it. DER of the signature. */
export function signRenewal(
  key: CryptoKey,
  nonce: string,
  csr: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return ecdsaSignature(key, signedBytes(nonce, csr));
}

/** All but the certificate is a peer's. */
export function renewalHolds(
  { key }: Certificate,
  nonce: string,
  csr: Uint8Array,
  proof: Uint8Array,
): boolean {
  return signatureHolds({ kind: "ecc", hash: "sha256" }, key, signedBytes(nonce, csr), proof);
}

function signedBytes(nonce: string, csr: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(utf8(`postern identity renewal v1\0${nonce}\0`), createHash("sha256").update(csr).digest());
}
