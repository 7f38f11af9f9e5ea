/** The key of this endpoint, which others pin: X25519, in a file that only its user may read. */
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import { type X25519KeyPair, x25519KeyPair } from "../../src/crypto/mod.ts";
import { createPrivate, readPrivate } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Random } from "../../src/ports/mod.ts";

const KEY_BYTES = 32;
const MAX_FILE_BYTES = 1_024;

/** Path in a state directory. */
export function endpointKeyIn(directory: string): string {
  return `${directory}/private.key`;
}

/**
 * The key in the file, which is one line: base64url of the 32-byte private key. Makes the file when there is none.
 * Throws `private_key_malformed`, `secret_file_permissions`, `secret_file_unreadable`, `state_unwritable`.
 */
export async function endpointKey(path: string, random: Random): Promise<X25519KeyPair> {
  let text = await readPrivate(path, MAX_FILE_BYTES);
  if (text === undefined) {
    const seed = random(KEY_BYTES);
    text = `${toBase64Url(seed)}\n`;
    seed.fill(0);
    if (!await createPrivate(path, text)) text = await readPrivate(path, MAX_FILE_BYTES);
  }
  const key = keyOf(text ?? "");
  if (key === undefined) {
    throw new PosternError("private_key_malformed", `Cannot use ${path}: it holds no key of an endpoint`);
  }
  try {
    return x25519KeyPair(key);
  } finally {
    key.fill(0);
  }
}

/** Undefined for whatever is no key; the text itself is secret. */
function keyOf(text: string): Uint8Array | undefined {
  try {
    const key = fromBase64Url(text.trim());
    return key.length === KEY_BYTES ? key : undefined;
  } catch {
    return undefined;
  }
}
