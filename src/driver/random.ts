import type { Random } from "../ports/mod.ts";

/** Most bytes that one call of getRandomValues fills (Web Cryptography API 10.1.1). */
const maxDrawBytes = 65_536;

/** The operating system's secure random bytes. */
export const systemRandom: Random = (bytes) => {
  const out = new Uint8Array(bytes);
  if (bytes <= maxDrawBytes) return crypto.getRandomValues(out);
  for (let at = 0; at < bytes; at += maxDrawBytes) {
    crypto.getRandomValues(out.subarray(at, Math.min(bytes, at + maxDrawBytes)));
  }
  return out;
};
