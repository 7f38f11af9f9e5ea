/** The agent's identity where there is no TPM: an Ed25519 key in a file that only the agent's user may read. */
import { boundKeyProvider, type EvidenceProvider } from "../src/attestation/mod.ts";
import { fromBase64Url, toBase64Url } from "../src/bytes/mod.ts";
import { createPrivate, readPrivate } from "../src/driver/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import type { Random } from "../src/ports/mod.ts";

const SEED_BYTES = 32;
const MAX_FILE_BYTES = 1_024;

/**
 * The identity in the file, which is one line: base64url of the 32-byte seed. Makes the file when there is none.
 * Throws `identity_malformed`, `secret_file_permissions`, `secret_file_unreadable`, `state_unwritable`.
 */
export async function boundKeyIdentity(path: string, random: Random): Promise<EvidenceProvider> {
  let text = await readPrivate(path, MAX_FILE_BYTES);
  if (text === undefined) {
    const seed = random(SEED_BYTES);
    text = `${toBase64Url(seed)}\n`;
    seed.fill(0);
    if (!await createPrivate(path, text)) text = await readPrivate(path, MAX_FILE_BYTES);
  }
  const seed = seedOf(text ?? "", path);
  try {
    return await boundKeyProvider(seed);
  } finally {
    seed.fill(0);
  }
}

function seedOf(text: string, path: string): Uint8Array<ArrayBuffer> {
  try {
    const seed = fromBase64Url(text.trim());
    if (seed.length === SEED_BYTES) return seed;
  } catch {
    // Told below, like a wrong length; the text itself is secret.
  }
  throw new PosternError("identity_malformed", `Cannot use identity file ${path}: it does not hold a key`);
}
