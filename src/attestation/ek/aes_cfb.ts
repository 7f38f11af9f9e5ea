import { createCipheriv } from "node:crypto";
import { Buffer } from "node:buffer";

const blockBytes = 16;

/**
 * AES in CFB mode with segments of a block (SP 800-38A 6.3), as the TPM protects credentials (Part 1, 24.4: an IV of zeros) and
 * parameters (21.3). Made from single blocks: the runtime has no CFB. Key and IV are used for one message only.
 */
export function aesCfbEncrypt(
  key: Uint8Array,
  plaintext: Uint8Array,
  iv: Uint8Array = new Uint8Array(blockBytes),
): Uint8Array<ArrayBuffer> {
  return cfb(key, plaintext, iv, (_given, made) => made);
}

/** The inverse of {@link aesCfbEncrypt}. */
export function aesCfbDecrypt(
  key: Uint8Array,
  ciphertext: Uint8Array,
  iv: Uint8Array = new Uint8Array(blockBytes),
): Uint8Array<ArrayBuffer> {
  return cfb(key, ciphertext, iv, (given) => given);
}

/** @param fed which of the two becomes the input of the next block: the one that is ciphertext */
function cfb(
  key: Uint8Array,
  message: Uint8Array,
  iv: Uint8Array,
  fed: (given: Uint8Array, made: Uint8Array) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, Buffer.from(key), null).setAutoPadding(false);
  const out = new Uint8Array(message);
  let previous = iv;
  for (let at = 0; at < out.length; at += blockBytes) {
    const stream = cipher.update(Buffer.from(previous));
    const block = out.subarray(at, at + blockBytes);
    for (let i = 0; i < block.length; i++) block[i] ^= stream[i];
    previous = fed(message.subarray(at, at + blockBytes), block);
  }
  return out;
}
