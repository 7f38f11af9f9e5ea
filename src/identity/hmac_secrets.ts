/** Secrets that an issuer shares with this edge (HS256, RFC 7518 3.2). */
import { utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { PinnedKey } from "./keys.ts";

/** RFC 7518 3.2: not shorter than the hash. */
const minHmacSecretBytes = 32;
/** One that signs, and those that did before it. */
const maxHmacSecrets = 4;

/**
 * Keys of the text of a file, a secret a line. Throws `hmac_secret_weak` for one that is too short, and when there are
 * too many. Messages hold line numbers only.
 */
export async function readHmacSecrets(text: string): Promise<readonly PinnedKey[]> {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length === 0 || lines.length > maxHmacSecrets) {
    throw weak(`there are ${lines.length}, and there may be 1 to ${maxHmacSecrets}`);
  }
  return await Promise.all(lines.map(async (line, index) => {
    const secret = utf8(line);
    if (secret.length < minHmacSecretBytes) {
      throw weak(`number ${index + 1} has ${secret.length} bytes, fewer than ${minHmacSecretBytes}`);
    }
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    return {
      alg: "HS256",
      key: await crypto.subtle.importKey("raw", secret, algorithm, false, ["verify"]),
    } as const;
  }));
}

function weak(state: string): PosternError {
  return new PosternError("hmac_secret_weak", `Cannot use HMAC secrets: ${state}`);
}
