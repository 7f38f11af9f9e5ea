/** Nodes that come to a control plane of a test. */
import assert from "node:assert/strict";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import {
  makeCsr,
  type NodeRole,
  readNodeCertificate,
  signRenewal,
  type TrustBundle,
  verifyPinnedBundle,
  verifyRevocations,
} from "../../src/pki/mod.ts";
import { makeKeys } from "../support/made_cluster.ts";
import type { Answer, openControl } from "./support.ts";

type Control = Pick<Awaited<ReturnType<typeof openControl>>, "post" | "get" | "tokenOf" | "clock">;

/** A one-time token for the node, as an operator gets it. */
export async function nodeToken(
  control: Control,
  role: NodeRole,
  id: string,
  ttlSeconds?: number,
): Promise<string> {
  const operator = await control.tokenOf("ops", "operator");
  const answer = await control.post("/v1/enroll/tokens", { role, id, ttl_seconds: ttlSeconds }, operator);
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  return answer.json.token;
}

export interface HeldIdentity {
  readonly keys: CryptoKeyPair;
  readonly certificate: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly bundle: TrustBundle;
}

/** Takes what control answered the way a node does. */
export function identityOf(
  control: Control,
  token: string,
  keys: CryptoKeyPair,
  { json }: Answer,
): HeldIdentity {
  const pin = fromBase64Url(token.split(".")[3]).toHex();
  const bundle = verifyPinnedBundle(json.trust_bundle, pin);
  verifyRevocations(json.revocations, bundle, control.clock.wall());
  const chain = json.certificate_chain.map(fromBase64Url);
  return { keys, chain, certificate: readNodeCertificate(chain[0]).bytes, bundle };
}

export async function enrolledNode(
  control: Control,
  role: NodeRole = "connector",
  id = "c1",
): Promise<HeldIdentity> {
  const token = await nodeToken(control, role, id);
  const keys = await makeKeys();
  const answer = await control.post("/v1/identity/enroll", { token, csr: toBase64Url(await makeCsr(keys)) });
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  return identityOf(control, token, keys, answer);
}

/** A renewal, with what a test changes about it. */
export async function renewal(
  control: Control,
  held: HeldIdentity,
  change: { keys?: CryptoKeyPair; nonce?: string; proofBy?: CryptoKey; csr?: Uint8Array } = {},
): Promise<Answer> {
  const keys = change.keys ?? held.keys;
  const nonce = change.nonce ?? (await control.post("/v1/identity/nonce", {})).json.nonce;
  const csr = change.csr ?? await makeCsr(keys);
  const proof = await signRenewal(change.proofBy ?? held.keys.privateKey, nonce, csr);
  return await control.post("/v1/identity/renew", {
    certificate: toBase64Url(held.certificate),
    nonce,
    csr: toBase64Url(csr),
    proof: toBase64Url(proof),
    trust_bundle_version: held.bundle.version,
  });
}

export function renewedOf(held: HeldIdentity, keys: CryptoKeyPair, { json }: Answer): HeldIdentity {
  const chain = json.certificate_chain.map(fromBase64Url);
  return { ...held, keys, chain, certificate: readNodeCertificate(chain[0]).bytes };
}
