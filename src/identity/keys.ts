/** Ed25519 keys of tokens: what signs, what verifies, and the published set (RFC 7517, RFC 8037). */
import { calculateJwkThumbprint } from "jose";
import { concat, fromHex } from "../bytes/mod.ts";

/** Finds public keys by key id. */
export interface VerificationKeys {
  publicKey(kid: string): CryptoKey | undefined;
}

/** Algorithms of tokens. Control signs by EdDSA only; the others are for issuers that an edge was told to believe. */
export type TokenAlgorithm = "EdDSA" | "ES256" | "HS256";

/** A key with the one algorithm that it is for: what a token's header says never chooses how a key is used (RFC 8725 3.1). */
export interface PinnedKey {
  readonly alg: TokenAlgorithm;
  readonly key: CryptoKey;
}

/** Gives the key that signs now. */
export interface SigningKeys {
  signingKey(): { readonly kid: string; readonly privateKey: CryptoKey };
}

/** One published key. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

/** The document at /.well-known/jwks.json. */
export interface Jwks {
  readonly keys: PublicJwk[];
}

/** A private key with its public half, ready for use. */
export interface KeyPair {
  readonly kid: string;
  /** Private scalar seed, base64url: secret. */
  readonly d: string;
  readonly x: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

// PrivateKeyInfo of RFC 8410 7 up to the 32-byte seed.
const pkcs8Prefix = fromHex("302e020100300506032b657004220420");

/** Makes a key pair of a 32-byte seed from a secure generator. */
export async function keyPairOfSeed(seed: Uint8Array): Promise<KeyPair> {
  const key = await crypto.subtle.importKey("pkcs8", concat(pkcs8Prefix, seed), "Ed25519", true, ["sign"]);
  const { d, x } = await crypto.subtle.exportKey("jwk", key);
  return await keyPairOfJwk(d as string, x as string);
}

/** Key pair of stored halves. Throws what WebCrypto throws when they are no key. */
export async function keyPairOfJwk(d: string, x: string): Promise<KeyPair> {
  const jwk = { kty: "OKP", crv: "Ed25519", x } as const;
  const privateKey = await crypto.subtle.importKey("jwk", { ...jwk, d }, "Ed25519", false, ["sign"]);
  return { kid: await calculateJwkThumbprint(jwk), d, x, privateKey, publicKey: await importPublic(x) };
}

/** The published form of a key. */
export function publicJwk(key: { readonly kid: string; readonly x: string }): PublicJwk {
  return { kty: "OKP", crv: "Ed25519", x: key.x, kid: key.kid, use: "sig", alg: "EdDSA" };
}

async function importPublic(x: string): Promise<CryptoKey> {
  return await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", x }, "Ed25519", false, [
    "verify",
  ]);
}
