/** Free loopback ports, and whether somebody answers on one. */

/** Below where systems take ports for outgoing connections and for port 0, above where edges publish services. */
const FIRST = 21_000;
const PAST = 32_000;
const ATTEMPTS = 100;

/** A TCP port that was free a moment ago. Prefer port 0 wherever the listener can tell which one it got. */
export function freePort(hostname = "127.0.0.1"): number {
  for (let attempt = 1;; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (PAST - FIRST));
    try {
      Deno.listen({ hostname, port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Whether a TCP connection is accepted. */
export async function accepts(port: number, hostname = "127.0.0.1"): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
