/** Ports for the measured programs: below those that the kernel gives to clients, of which this bench has many. */

const LOWEST = 10_000;
const HIGHEST = 31_000;
const ATTEMPTS = 200;

/** The first of `count` ports in a row on loopback that nobody listens on. */
export function freePorts(count = 1): number {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (Array.from({ length: count }, (_, at) => first + at).every(isFree)) return first;
  }
  throw new Error(`no ${count} free ports in a row from ${LOWEST} to ${HIGHEST}`);
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}
