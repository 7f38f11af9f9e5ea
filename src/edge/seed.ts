import type { Random } from "../ports/mod.ts";

/** 32 bits that nobody outside knows: where a table of peers' addresses starts to count, so that nobody aims at one place. */
export function seedOf(random: Random): number {
  const [a, b, c, d] = random(4);
  return (a << 24) | (b << 16) | (c << 8) | d;
}
