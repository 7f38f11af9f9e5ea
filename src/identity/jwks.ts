/** Public keys of another issuer: a JWK set (RFC 7517 5) as it is published, read strictly. */
import { importJWK } from "jose";
import { z } from "zod";
import { PosternError } from "../errors/mod.ts";
import type { PinnedKey } from "./keys.ts";

/** Most keys of a set. An issuer has two or three: one that signs, one to come, one that was. */
const maxJwksKeys = 64;

const member = z.string().regex(/^[A-Za-z0-9_-]{43}$/); // 32 bytes
/** RFC 7517 4.2 and 4.3: a key that says what it is for has to be for this. */
const purpose = {
  kid: z.string().min(1).max(256),
  use: z.literal("sig").optional(),
  key_ops: z.array(z.string()).refine((ops) => ops.includes("verify")).optional(),
};
const keySchema = z.discriminatedUnion("kty", [
  z.object({
    ...purpose,
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    alg: z.enum(["EdDSA", "Ed25519"]).optional(),
    x: member,
  }),
  z.object({
    ...purpose,
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    alg: z.literal("ES256").optional(),
    x: member,
    y: member,
  }),
]);
const setSchema = z.object({ keys: z.array(z.looseObject({})).max(maxJwksKeys) });

/** Members that only private and symmetric keys have (RFC 7518 6.2.2, 6.3.2, 6.4.1). */
const SECRET_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * The keys of a set by key id, each with its algorithm. Keys for other purposes or of other algorithms are passed over
 * (RFC 7517 5), and so are keys without an id. Throws `jwks_invalid`: when it is no set, when a key is secret, when two
 * keys have one id, and when no key is left.
 */
export async function readJwks(value: unknown): Promise<ReadonlyMap<string, PinnedKey>> {
  const set = setSchema.safeParse(value);
  if (!set.success) throw invalid(`it is not an object with at most ${maxJwksKeys} keys`);
  const keys = new Map<string, PinnedKey>();
  for (const raw of set.data.keys) {
    if (SECRET_MEMBERS.some((name) => Object.hasOwn(raw, name))) throw invalid("it holds a secret key");
    const parsed = keySchema.safeParse(raw);
    if (!parsed.success) continue;
    const jwk = parsed.data;
    if (keys.has(jwk.kid)) throw invalid("two of its keys have one id");
    keys.set(jwk.kid, jwk.kty === "OKP" ? await keyOf("EdDSA", jwk) : await keyOf("ES256", jwk));
  }
  if (keys.size === 0) throw invalid("it holds no Ed25519 or P-256 key with an id");
  return keys;
}

async function keyOf(
  alg: "EdDSA" | "ES256",
  { kty, crv, x, y }: { kty: string; crv: string; x: string; y?: string },
): Promise<PinnedKey> {
  try {
    return { alg, key: await importJWK({ kty, crv, x, y }, alg) as CryptoKey };
  } catch (cause) {
    throw invalid("one of its keys cannot be read", cause);
  }
}

function invalid(state: string, cause?: unknown): PosternError {
  return new PosternError("jwks_invalid", `Cannot use key set: ${state}`, { cause });
}
