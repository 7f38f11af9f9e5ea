/** A renewed certificate on a connection that stands: its key signs the nonce that the host made for this connection. */
import { createPrivateKey, sign } from "node:crypto";
import { signatureHolds } from "../attestation/ek/mod.ts";
import { concat, fromBase64Url, toBase64Url, utf8 } from "../bytes/mod.ts";
import type { NodeCredentials } from "../driver/tls/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { readNodeCertificate } from "../pki/mod.ts";

function signedBytes(nonce: string, leaf: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(utf8(`postern node identity v1\0${nonce}\0`), leaf);
}

/** Shows a certificate by an ECDSA signature of its key. */
export function identityMessage({ chain, privateKey }: NodeCredentials, nonce: string) {
  const signature = sign("sha256", signedBytes(nonce, chain[0]), createPrivateKey(privateKey));
  return {
    type: "identity" as const,
    chain: chain.map(toBase64Url),
    proof: toBase64Url(new Uint8Array(signature)),
  };
}

/** Throws `node_proof_invalid`, and the codes of certificates that cannot be read. */
export function checkIdentityProof(leaf: Uint8Array, nonce: string, proof: string): void {
  const { key } = readNodeCertificate(leaf);
  let holds = false;
  try {
    holds = signatureHolds(
      { kind: "ecc", hash: "sha256" },
      key,
      signedBytes(nonce, leaf),
      fromBase64Url(proof),
    );
  } catch {
    // What is no signature proves nothing.
  }
  if (!holds) {
    throw new PosternError(
      "node_proof_invalid",
      "Cannot accept the node's new certificate: its key did not sign",
    );
  }
}
