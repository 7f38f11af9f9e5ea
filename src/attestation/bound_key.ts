/**
 * Evidence of a bound key: an Ed25519 key in a file signs the qualifying data. It proves that the same agent is back, not
 * that the machine is sound; its tier says so.
 */
import { z } from "zod";
import { fromBase64Url, toBase64Url, toHex } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { keyPairOfSeed } from "../identity/mod.ts";
import { agentIdOf } from "./agent_id.ts";
import type { EvidenceProvider, EvidenceVerifier } from "./evidence.ts";
import { qualifyingData } from "./qualifying_data.ts";

const kind = "bound-key";

const base64UrlOf = (bytes: number) =>
  z.string().max(128).transform((text, context) => {
    try {
      const decoded = fromBase64Url(text);
      if (decoded.length === bytes) return decoded;
    } catch {
      // Reported below, like a wrong length.
    }
    context.addIssue({ code: "custom", message: `must be base64url of ${bytes} bytes without padding` });
    return z.NEVER;
  });

const boundKeySchema = z.object({
  kind: z.literal(kind),
  /** Ed25519 public key, raw. */
  identity_key: base64UrlOf(32),
  signature: base64UrlOf(64),
});

/** The provider over an Ed25519 seed of 32 bytes, which is the agent's identity file. */
export async function boundKeyProvider(seed: Uint8Array): Promise<EvidenceProvider> {
  const { privateKey, x } = await keyPairOfSeed(seed);
  return {
    kind,
    agentId: agentIdOf(fromBase64Url(x)),
    async prove({ qualifyingData }) {
      const signature = await crypto.subtle.sign("Ed25519", privateKey, new Uint8Array(qualifyingData));
      return { kind, identity_key: x, signature: toBase64Url(new Uint8Array(signature)) };
    },
  };
}

/** Throws `evidence_malformed`, `evidence_key_weak`, `evidence_signature_invalid`. */
export const boundKeyVerifier: EvidenceVerifier = {
  kind,
  async verify(evidence, context) {
    const parsed = boundKeySchema.safeParse(evidence);
    if (!parsed.success) {
      throw new PosternError("evidence_malformed", "Cannot judge evidence: it is not that of a bound key", {
        detail: { field: parsed.error.issues[0].path.join(".") },
      });
    }
    const { identity_key, signature } = parsed.data;
    const agentId = agentIdOf(identity_key);
    await boundKeyAgent(identity_key, signature, qualifyingData({ ...context, agentId }));
    return { tier: "bound-key", agentId };
  },
};

/**
 * The agent that signed the data. Data are hashes over a context of their own, so that no signature stands for two things.
 * @throws PosternError `evidence_key_weak`, `evidence_signature_invalid`
 */
export async function boundKeyAgent(
  identityKey: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  data: Uint8Array<ArrayBuffer>,
): Promise<string> {
  if (isSmallOrder(identityKey)) {
    throw new PosternError("evidence_key_weak", "Cannot judge evidence: its identity key has small order");
  }
  if (!await holds(identityKey, signature, data)) {
    throw new PosternError(
      "evidence_signature_invalid",
      "Cannot accept evidence: its signature does not hold",
    );
  }
  return agentIdOf(identityKey);
}

async function holds(
  key: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  data: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, data);
  } catch {
    // Bytes that are no point of the curve: no signature holds under them.
    return false;
  }
}

/** y coordinates of the points of order 1, 2, 4 and 8, also unreduced; little-endian, sign bit cleared. */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

function isSmallOrder(key: Uint8Array): boolean {
  const y = key.slice();
  y[31] &= 0x7f;
  return SMALL_ORDER.has(toHex(y));
}
