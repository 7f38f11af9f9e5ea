import { AD_BYTES } from "../metrics.ts";
import type { Peer } from "./peer.ts";

/** Each call awaited, as records are: the next one needs the order. */
export const webCrypto: Peer = {
  name: "WebCrypto",
  operations: ["seal", "open"],
  async task({ operation, bytes }) {
    const { subtle } = crypto;
    const parameters = {
      name: "ChaCha20-Poly1305",
      iv: new Uint8Array(12),
      additionalData: new Uint8Array(AD_BYTES),
    };
    const raw = new Uint8Array(32).fill(7);
    let key: CryptoKey;
    try {
      // A newer name than the types know.
      key = await subtle.importKey("raw-secret" as "raw", raw, parameters.name, false, [
        "encrypt",
        "decrypt",
      ]);
    } catch {
      return undefined; // not in this runtime
    }
    const plain = new Uint8Array(bytes);
    const sealed = new Uint8Array(await subtle.encrypt(parameters, key, plain));
    if (operation === "seal") {
      return {
        async run(times) {
          for (let i = 0; i < times; i++) await subtle.encrypt(parameters, key, plain);
        },
      };
    }
    return {
      async run(times) {
        for (let i = 0; i < times; i++) await subtle.decrypt(parameters, key, sealed);
      },
    };
  },
};
