/** The identity on disk: a restart needs no new enrollment. Who can read it is for {@link SecretFiles}. */
import { z } from "zod";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { SignedDocument } from "../../src/pki/mod.ts";
import { P256 } from "../../src/x509/mod.ts";
import type { SecretFiles } from "./secret_files.ts";

/** A revocation list may have some thousand entries. */
const MAX_FILE_BYTES = 4_194_304;

const document = z.object({
  payload: z.string(),
  signatures: z.array(z.object({ by: z.string(), signature: z.string() })),
});
const schema = z.object({
  version: z.literal(1),
  /** PKCS #8, base64url. Secret. */
  key: z.string(),
  /** Absent until control has answered: the key asks again with the same token. */
  identity: z.object({
    certificate_chain: z.array(z.string()).min(1),
    trust_bundle: document,
    revocations: document,
  }).optional(),
});

export interface NodeKeys extends CryptoKeyPair {
  /** Secret. */
  readonly pkcs8: Uint8Array<ArrayBuffer>;
}

export interface KeptIdentity {
  readonly keys: NodeKeys;
  readonly identity?: {
    /** DER. */
    readonly chain: readonly Uint8Array[];
    readonly bundle: SignedDocument;
    readonly revocations: SignedDocument;
  };
}

/** Path in a state directory. */
export function identityFileIn(directory: string): string {
  return `${directory}/identity.json`;
}

export async function makeNodeKeys(): Promise<NodeKeys> {
  const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  return { ...pair, pkcs8: new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)) };
}

/** Undefined without a file. Throws `identity_file_malformed` and what reading secret files throws. */
export async function readIdentityFile(path: string, files: SecretFiles): Promise<KeptIdentity | undefined> {
  const text = await files.read(path, MAX_FILE_BYTES);
  if (text === undefined) return undefined;
  try {
    const { key, identity } = schema.parse(JSON.parse(text));
    return {
      keys: await keysOf(fromBase64Url(key)),
      ...(identity === undefined ? {} : {
        identity: {
          chain: identity.certificate_chain.map(fromBase64Url),
          bundle: identity.trust_bundle,
          revocations: identity.revocations,
        },
      }),
    };
  } catch (cause) {
    throw new PosternError("identity_file_malformed", `Cannot use ${path}: it holds no identity of a node`, {
      cause,
    });
  }
}

/** Replaces the file in one step. Throws what writing secret files throws. */
export async function writeIdentityFile(
  path: string,
  { keys, identity }: KeptIdentity,
  files: SecretFiles,
): Promise<void> {
  const kept: z.infer<typeof schema> = {
    version: 1,
    key: toBase64Url(keys.pkcs8),
    ...(identity === undefined ? {} : {
      identity: {
        certificate_chain: identity.chain.map(toBase64Url),
        trust_bundle: writable(identity.bundle),
        revocations: writable(identity.revocations),
      },
    }),
  };
  await files.replace(path, `${JSON.stringify(kept, undefined, 2)}\n`);
}

/** The public half is in a PKCS #8 key as WebCrypto writes it. */
async function keysOf(pkcs8: Uint8Array<ArrayBuffer>): Promise<NodeKeys> {
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, P256, true, ["sign"]);
  const { d: _secret, key_ops: _use, ...jwk } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", jwk, P256, true, ["verify"]);
  return { privateKey, publicKey, pkcs8 };
}

function writable({ payload, signatures }: SignedDocument) {
  return { payload, signatures: [...signatures] };
}
