import { createBLAKE3 } from "hash-wasm";
import type { Peer } from "./peer.ts";

/** BLAKE3 with one hasher used again and again: the fastest way it has. */
export const hashWasm: Peer = {
  name: "hash-wasm",
  operations: ["hash"],
  async task({ bytes }) {
    const hasher = await createBLAKE3();
    const input = new Uint8Array(bytes);
    return {
      run(times) {
        for (let i = 0; i < times; i++) hasher.init().update(input).digest("binary");
      },
    };
  },
};
