/** Loopback sockets for the demo's own requests. */

export function connectLoopback(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

/** The wanted port when it is free, otherwise 0: any. */
export function freeOr(port: number): number {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return port;
  } catch {
    return 0;
  }
}
