/** The key of this host that enrollment tokens are wrapped to: made once, kept in the state directory. */
import { z } from "zod";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import { generateX25519KeyPair, type X25519KeyPair, x25519KeyPair } from "../../src/crypto/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { formatHostKey, isWrappedToken, unwrapToken } from "../../src/pki/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import type { SecretFiles } from "./secret_files.ts";

const MAX_FILE_BYTES = 4_096;

const schema = z.object({
  version: z.literal(1),
  /** As operators pass it on. */
  public_key: z.string(),
  /** X25519, base64url. Secret. */
  private_key: z.string(),
});

/** Path in a state directory. */
export function hostKeyFileIn(directory: string): string {
  return `${directory}/host_key.json`;
}

/**
 * The public key of this host, as operators pass it on. Makes the pair where there is none.
 * Throws `host_key_file_malformed`, `state_unwritable` and the codes of private files.
 */
export async function hostKeyOf(path: string, random: Random, files: SecretFiles): Promise<string> {
  const kept = await readHostKey(path, files);
  if (kept !== undefined) return formatHostKey(kept.publicKey);
  const made = generateX25519KeyPair(random);
  const file: z.infer<typeof schema> = {
    version: 1,
    public_key: formatHostKey(made.publicKey),
    private_key: toBase64Url(made.privateKey),
  };
  made.privateKey.fill(0);
  // Of two that start at once one makes the key that both tell.
  if (!await files.create(path, `${JSON.stringify(file, undefined, 2)}\n`)) {
    return await hostKeyOf(path, random, files);
  }
  return file.public_key;
}

/**
 * The token, opened with this host's key if it is wrapped.
 * Throws `host_key_missing`, `wrapped_token_foreign`, `wrapped_token_damaged`, and what {@link hostKeyOf} throws.
 */
export async function openToken(text: string, hostKeyPath: string, files: SecretFiles): Promise<string> {
  if (!isWrappedToken(text)) return text;
  const keys = await readHostKey(hostKeyPath, files);
  if (keys === undefined) {
    throw new PosternError(
      "host_key_missing",
      `Cannot open token: it is wrapped for a host's key, and there is no ${hostKeyPath}`,
    );
  }
  try {
    return unwrapToken(text, keys);
  } finally {
    keys.privateKey.fill(0);
  }
}

async function readHostKey(path: string, files: SecretFiles): Promise<X25519KeyPair | undefined> {
  const text = await files.read(path, MAX_FILE_BYTES);
  if (text === undefined) return undefined;
  try {
    return x25519KeyPair(fromBase64Url(schema.parse(JSON.parse(text)).private_key));
  } catch (cause) {
    throw new PosternError("host_key_file_malformed", `Cannot use ${path}: it holds no key of a host`, {
      cause,
    });
  }
}
