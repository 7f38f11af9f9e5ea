import { createCipheriv } from "node:crypto";
import { Buffer } from "node:buffer";

const blockBytes = 16;

/**
 * AES in CFB mode with segments of a block (SP 800-38A 6.3) and an IV of zeros, as the TPM protects credentials
 * (Part 1, 24.4). Made from single blocks: the runtime has no CFB. The key is used for one message only.
 */
export function aesCfbEncrypt(key: Uint8Array, plaintext: Uint8Array): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, Buffer.from(key), null).setAutoPadding(false);
  const out = new Uint8Array(plaintext);
  let previous: Uint8Array = new Uint8Array(blockBytes);
  for (let at = 0; at < out.length; at += blockBytes) {
    const stream = cipher.update(Buffer.from(previous));
    const block = out.subarray(at, at + blockBytes);
    for (let i = 0; i < block.length; i++) block[i] ^= stream[i];
    previous = block;
  }
  return out;
}
