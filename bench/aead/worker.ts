/** A core of its own in a Worker: seals records of 16 KiB for as long as it is told, and says how fast. */
import { loadCore } from "../../wasm/mod.ts";
import { AD_BYTES } from "./metrics.ts";

const BYTES = 16384;
const scope = self as unknown as {
  onmessage: (event: MessageEvent<number>) => void;
  postMessage(gigabytesPerSecond: number): void;
};
const core = loadCore();
const handle = core.importKey(new Uint8Array(32).fill(7));
const at = core.arena.offset + 64;

scope.onmessage = ({ data: ms }) => {
  const began = performance.now();
  let operations = 0;
  while (performance.now() - began < ms) {
    for (let i = 0; i < 16; i++) core.seal(handle, at - AD_BYTES, AD_BYTES, at, BYTES);
    operations += 16;
  }
  scope.postMessage(operations * BYTES / (performance.now() - began) / 1e6);
};
