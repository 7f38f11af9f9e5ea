/** Free loopback ports, and whether somebody answers on one. */

/** A TCP port that was free a moment ago. Prefer port 0 wherever the listener can tell which one it got. */
export function freePort(hostname = "127.0.0.1"): number {
  const listener = Deno.listen({ hostname, port: 0 });
  try {
    return listener.addr.port;
  } finally {
    listener.close();
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
