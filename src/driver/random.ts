import type { Random } from "../ports/mod.ts";

/** Most bytes that one call of getRandomValues fills (Web Cryptography API 10.1.1). */
const MAX_DRAW_BYTES = 65_536;

/** The operating system's secure random bytes. */
export const systemRandom: Random = (bytes) => {
  const out = new Uint8Array(bytes);
  if (bytes <= MAX_DRAW_BYTES) return crypto.getRandomValues(out);
  for (let at = 0; at < bytes; at += MAX_DRAW_BYTES) {
    crypto.getRandomValues(out.subarray(at, Math.min(bytes, at + MAX_DRAW_BYTES)));
  }
  return out;
};
