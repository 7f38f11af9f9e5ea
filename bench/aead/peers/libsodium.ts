import sodium from "libsodium-wrappers";
import { AD_BYTES } from "../metrics.ts";
import type { Peer } from "./peer.ts";

const key = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(12);
const ad = new Uint8Array(AD_BYTES);

export const libsodium: Peer = {
  name: "libsodium.js",
  operations: ["seal", "open"],
  async task({ operation, bytes }) {
    await sodium.ready;
    const plain = new Uint8Array(bytes);
    const sealed = sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, ad, null, nonce, key);
    const once = operation === "seal"
      ? () => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, ad, null, nonce, key)
      : () => sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, ad, nonce, key);
    return {
      run(times) {
        for (let i = 0; i < times; i++) once();
      },
    };
  },
};
