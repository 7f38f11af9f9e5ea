/** Ed25519 keys of tokens: what signs, what verifies, and the published set (RFC 7517, RFC 8037). */
import { calculateJwkThumbprint } from "jose";
import { z } from "zod";
import { concat, fromHex } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { base64Url32 } from "./claims.ts";

/** Most keys that are read from a published set. */
export const maxJwksKeys = 64;

/** Finds public keys by key id. */
export interface VerificationKeys {
  publicKey(kid: string): CryptoKey | undefined;
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

const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(maxJwksKeys) });
const ed25519Schema = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: base64Url32,
  kid: z.string().min(1).max(128),
  use: z.literal("sig").optional(),
  alg: z.enum(["EdDSA", "Ed25519"]).optional(),
});

/**
 * Reads a published key set, e.g. one fetched from another control plane. Keys of other types are passed over
 * (RFC 7517 5). Throws `jwks_malformed`.
 */
export async function importJwks(document: unknown): Promise<VerificationKeys & { readonly kids: string[] }> {
  const set = jwksSchema.safeParse(document);
  if (!set.success) throw new PosternError("jwks_malformed", "Cannot read key set: it is not a JWK set");
  const keys = new Map<string, CryptoKey>();
  for (const entry of set.data.keys) {
    if (entry.kty !== "OKP") continue;
    const key = ed25519Schema.safeParse(entry);
    if (!key.success) {
      throw new PosternError("jwks_malformed", "Cannot read key set: an OKP key is not an Ed25519 key");
    }
    keys.set(key.data.kid, await importOrRefuse(key.data.x));
  }
  return { publicKey: (kid) => keys.get(kid), kids: [...keys.keys()] };
}

async function importOrRefuse(x: string): Promise<CryptoKey> {
  try {
    return await importPublic(x);
  } catch (cause) {
    throw new PosternError("jwks_malformed", "Cannot read key set: a key is not a point", { cause });
  }
}
