/**
 * TPM2_ActivateCredential (TPM 2.0 Library, Part 3, 12.5) for an ECC endorsement key whose private part a test has, by the letter
 * of Part 1, 24 and C.6.1, with nothing of what makes credentials.
 */
import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from "node:crypto";

export interface EndorsementKey {
  readonly privateKey: KeyObject;
  readonly curve: "P-256" | "P-384";
}

export interface MadeCredential {
  readonly credentialBlob: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

/** The secret. Throws when the TPM would answer TPM_RC_INTEGRITY. */
export function activateCredential(
  { privateKey, curve }: EndorsementKey,
  objectName: Uint8Array,
  { credentialBlob, encryptedSecret }: MadeCredential,
): Uint8Array {
  const [hash, bytes, aesBits] = curve === "P-256"
    ? ["sha256", 32, 128] as const
    : ["sha384", 48, 256] as const;
  const [x, y] = sizedFields(encryptedSecret, 2);
  const publicKey = createPublicKey({
    key: { kty: "EC", crv: curve, x: text(x, bytes), y: text(y, bytes) },
    format: "jwk",
  });
  const z = diffieHellman({ privateKey, publicKey });
  const own = Buffer.from(createPublicKey(privateKey).export({ format: "jwk" }).x!, "base64url");
  const seed = createHash(hash).update(Buffer.from("00000001", "hex")).update(z).update("IDENTITY\0")
    .update(x).update(own).digest();
  const [integrity] = sizedFields(credentialBlob, 1);
  const encIdentity = credentialBlob.subarray(2 + integrity.length);
  const macKey = kdfa(hash, seed, "INTEGRITY", new Uint8Array(0), bytes * 8);
  const expected = createHmac(hash, macKey).update(encIdentity).update(objectName).digest();
  if (!expected.equals(integrity)) throw new Error("TPM_RC_INTEGRITY");
  const plain = cfbDecrypt(kdfa(hash, seed, "STORAGE", objectName, aesBits), encIdentity);
  return sizedFields(plain, 1)[0];
}

/** One block is enough: no key is longer than its hash. */
function kdfa(hash: string, key: Uint8Array, label: string, context: Uint8Array, bits: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bits);
  return createHmac(hash, key).update(Buffer.from("00000001", "hex")).update(`${label}\0`).update(context)
    .update(length).digest().subarray(0, bits / 8);
}

function cfbDecrypt(key: Buffer, text: Uint8Array): Buffer {
  const out: Buffer[] = [];
  for (let at = 0, previous: Uint8Array = Buffer.alloc(16); at < text.length; at += 16) {
    const stream = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).update(previous);
    previous = text.subarray(at, at + 16);
    out.push(Buffer.from(previous.map((octet, i) => octet ^ stream[i])));
  }
  return Buffer.concat(out);
}

function sizedFields(bytes: Uint8Array, count: number): Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (let at = 0; fields.length < count;) {
    const length = bytes[at] << 8 | bytes[at + 1];
    fields.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return fields;
}

function text(coordinate: Uint8Array, bytes: number): string {
  return Buffer.concat([Buffer.alloc(bytes - coordinate.length), coordinate]).toString("base64url");
}
