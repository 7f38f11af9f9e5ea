import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { AD_BYTES } from "../metrics.ts";
import type { Peer } from "./peer.ts";

const key = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(12);
const ad = new Uint8Array(AD_BYTES);

export const noble: Peer = {
  name: "@noble/ciphers",
  operations: ["seal", "open"],
  task({ operation, bytes }) {
    const plain = new Uint8Array(bytes);
    const sealed = chacha20poly1305(key, nonce, ad).encrypt(plain);
    const once = operation === "seal"
      ? () => chacha20poly1305(key, nonce, ad).encrypt(plain)
      : () => chacha20poly1305(key, nonce, ad).decrypt(sealed);
    return {
      run(times) {
        for (let i = 0; i < times; i++) once();
      },
    };
  },
};
