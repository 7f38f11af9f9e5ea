/** Broken variants of good messages, the same ones in every run. */

/** mulberry32: whole numbers below a bound. */
export function seeded(seed: number): (below: number) => number {
  return (below) => {
    seed = seed + 0x6d2b_79f5 | 0;
    let mixed = Math.imul(seed ^ seed >>> 15, 1 | seed);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) % below;
  };
}

/** One to three changed bytes; every second one is also cut short, or has a piece left out or doubled. */
export function mutate(
  message: Uint8Array<ArrayBuffer>,
  random: (below: number) => number,
): Uint8Array<ArrayBuffer> {
  const bytes = message.slice();
  for (let changes = 1 + random(3); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
  switch (random(4)) {
    case 0:
      return bytes.slice(0, random(bytes.length));
    case 1: {
      const at = random(bytes.length);
      return new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(random(bytes.length))]);
    }
    default:
      return bytes;
  }
}
