/** A TCP proxy on loopback that keeps what passes it, for tests that look over somebody's shoulder. */
export class TcpTap implements AsyncDisposable {
  readonly port: number;
  /** Bytes from the server, in the order in which they passed. */
  readonly fromServer: Uint8Array[] = [];
  bytes = 0;
  /** Where connections lead to; set before the first comes. */
  target = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();

  constructor() {
    this.port = this.#listener.addr.port;
    this.#accept();
  }

  /** Breaks off every connection. */
  cut(): void {
    for (const conn of this.#open) close(conn);
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) this.#join(near);
  }

  async #join(near: Deno.TcpConn): Promise<void> {
    this.#open.add(near);
    try {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
      this.#open.add(far);
      for (const conn of [near, far]) conn.setNoDelay(true);
      await Promise.all([this.#pass(near, far, false), this.#pass(far, near, true)]);
      this.#open.delete(far);
      close(far);
    } catch {
      // Nobody listens: the connection ends.
    }
    this.#open.delete(near);
    close(near);
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn, fromServer: boolean): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
        this.bytes += read;
        if (fromServer) this.fromServer.push(buffer.slice(0, read));
        for (let at = 0; at < read;) at += await to.write(buffer.subarray(at, read));
      }
      await to.closeWrite();
    } catch {
      close(from);
      close(to);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    return Promise.resolve();
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}
