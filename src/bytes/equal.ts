/**
 * Whether two byte strings are equal, in time that depends on their lengths only.
 * A JIT gives no formal promise; secrets compared here are single-use or attempt-limited as well.
 */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}
