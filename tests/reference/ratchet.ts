/**
 * A slow second reading of the channel's key ratchet, from docs/protocol.md: over noble's HMAC and curve and not over
 * node:crypto, with everybody's private keys.
 */
import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, fromBase64Url, utf8 } from "../../src/bytes/mod.ts";

/** The messages as they travelled, and the edge's private keys of the round. */
export interface RecordedRound {
  readonly handshakeHash: Uint8Array;
  readonly root: Uint8Array;
  readonly request: { round: number; session_nonce: string; key: string; kem: string };
  readonly proof: { key: string; kem: string };
  readonly edgePrivateKey: Uint8Array;
  readonly edgeKemSeed: Uint8Array;
}

export async function referenceRatchet(round: RecordedRound) {
  const { request, proof, edgePrivateKey, edgeKemSeed } = round;
  const fields = [
    utf8("postern/reauth/v1"),
    round.handshakeHash,
    Uint8Array.of(0, 0, 0, request.round),
    ...[request.session_nonce, request.key, request.kem, proof.key, proof.kem].map(fromBase64Url),
  ];
  const framed = fields.flatMap((field) => [
    Uint8Array.of(0, 0, field.length >> 8, field.length & 0xff),
    field,
  ]);
  const transcript = new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...framed).slice()));
  const dh = x25519.getSharedSecret(edgePrivateKey, fromBase64Url(proof.key));
  const { secretKey } = ml_kem768.keygen(edgeKemSeed);
  const kem = ml_kem768.decapsulate(fromBase64Url(proof.kem), secretKey);
  // RFC 5869, by its text: PRK = HMAC(salt, IKM), T(n) = HMAC(PRK, T(n-1) | info | n).
  const prk = await hmac(round.root, concat(dh, kem));
  const blocks: Uint8Array[] = [];
  for (let n = 1; n <= 3; n++) {
    blocks.push(await hmac(prk, concat(blocks.at(-1) ?? new Uint8Array(0), transcript, Uint8Array.of(n))));
  }
  return { transcript, agentToEdge: blocks[0], edgeToAgent: blocks[1], root: blocks[2] };
}

async function hmac(key: Uint8Array, data: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key.slice(), algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data.slice()));
}
