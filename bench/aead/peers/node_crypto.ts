import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { AD_BYTES, TAG_BYTES } from "../metrics.ts";
import type { Peer } from "./peer.ts";

const ALGORITHM = "chacha20-poly1305";
const key = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(12);
const ad = new Uint8Array(AD_BYTES);
const options = { authTagLength: TAG_BYTES };

export const nodeCrypto: Peer = {
  name: "node:crypto",
  operations: ["seal", "open"],
  task({ operation, bytes }) {
    const plain = new Uint8Array(bytes);
    const cipher = createCipheriv(ALGORITHM, key, nonce, options);
    cipher.setAAD(ad, { plaintextLength: bytes });
    const sealed = cipher.update(plain);
    cipher.final();
    const tag = cipher.getAuthTag();
    if (operation === "seal") {
      return {
        run(times) {
          for (let i = 0; i < times; i++) {
            const cipher = createCipheriv(ALGORITHM, key, nonce, options);
            cipher.setAAD(ad, { plaintextLength: bytes });
            cipher.update(plain);
            cipher.final();
            cipher.getAuthTag();
          }
        },
      };
    }
    return {
      run(times) {
        for (let i = 0; i < times; i++) {
          const decipher = createDecipheriv(ALGORITHM, key, nonce, options);
          decipher.setAAD(ad, { plaintextLength: bytes });
          decipher.setAuthTag(tag);
          decipher.update(sealed);
          decipher.final();
        }
      },
    };
  },
};

/** Another function, for scale: what Noise transcripts use. */
export const nodeSha256: Peer = {
  name: "node:crypto SHA-256",
  operations: ["hash"],
  task({ bytes }) {
    const input = new Uint8Array(bytes);
    return {
      run(times) {
        for (let i = 0; i < times; i++) createHash("sha256").update(input).digest();
      },
    };
  },
};
