/** Keys that sign releases: Ed25519, public ones in PEM as `openssl pkey -pubout` writes them. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { Buffer } from "node:buffer";
import { concat, fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 section 4). */
const spkiHead = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const keyBytes = 32;
/** The current key, the next one, and room for those of other builders. */
const maxKeys = 8;

export interface ReleaseKey {
  /** First 16 hex digits of the SHA-256 of the 32 bytes: finds the key, vouches for nothing. */
  readonly id: string;
  /** The 32 bytes in base64url. */
  readonly text: string;
  readonly key: KeyObject;
}

/** Public keys of a PEM file. Throws `release_key_malformed`. */
export function readReleaseKeys(pem: string): ReleaseKey[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  if (blocks.length === 0 || blocks.length > maxKeys) {
    throw malformed(`it holds ${blocks.length} public keys in PEM, and 1 to ${maxKeys} are taken`);
  }
  return blocks.map((block) => {
    try {
      return releaseKeyOf(toBase64Url(publicKeyBytes(createPublicKey(block))));
    } catch (cause) {
      throw malformed("a key in it is no Ed25519 key", cause);
    }
  });
}

/** The 32 bytes of an Ed25519 key. Throws TypeError for one of another kind. */
export function publicKeyBytes(key: KeyObject): Uint8Array<ArrayBuffer> {
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("Cannot take key: it is not of Ed25519");
  const spki = new Uint8Array(key.export({ type: "spki", format: "der" }));
  return spki.slice(spki.length - keyBytes);
}

/** A key by its 32 bytes in base64url. Throws `release_key_malformed`. */
export function releaseKeyOf(text: string): ReleaseKey {
  try {
    const bytes = fromBase64Url(text);
    if (bytes.length !== keyBytes) throw new TypeError("wrong length");
    const spki = concat(Uint8Array.from(spkiHead), bytes);
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return { id: releaseKeyId(bytes), text, key };
  } catch (cause) {
    throw malformed("a key in it is no Ed25519 key", cause);
  }
}

export function releaseKeyId(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function malformed(state: string, cause?: unknown): PosternError {
  return new PosternError("release_key_malformed", `Cannot use release key: ${state}`, { cause });
}
