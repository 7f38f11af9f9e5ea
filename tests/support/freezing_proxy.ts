/** A TCP proxy whose connections can be frozen: both ends stay open and nothing passes, as on a line that has died. */

interface Pair {
  frozen: boolean;
  readonly sockets: readonly [Deno.TcpConn, Deno.TcpConn];
}

/** Ends with its scope. */
export class FreezingProxy implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #target: () => number;
  readonly #pairs = new Set<Pair>();
  readonly #running = new Set<Promise<void>>();

  private constructor(target: () => number, port: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.port = this.#listener.addr.port;
    this.#target = target;
    this.#track(this.#acceptAll());
  }

  /** @param target port on this machine, asked for each connection */
  static start(target: () => number, port = 0): FreezingProxy {
    return new FreezingProxy(target, port);
  }

  /** Freezes what is open now; later connections pass. Returns how many. */
  freeze(): number {
    for (const pair of this.#pairs) pair.frozen = true;
    return this.#pairs.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const { sockets } of this.#pairs) for (const socket of sockets) close(socket);
    await Promise.all(this.#running);
  }

  #track(task: Promise<void>): void {
    this.#running.add(task);
    task.finally(() => this.#running.delete(task));
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const near of this.#listener) {
        near.setNoDelay(true);
        this.#track(this.#join(near));
      }
    } catch {
      // The listener was closed.
    }
  }

  async #join(near: Deno.TcpConn): Promise<void> {
    let far: Deno.TcpConn;
    try {
      far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target() });
      far.setNoDelay(true);
    } catch {
      return close(near);
    }
    const pair: Pair = { frozen: false, sockets: [near, far] };
    this.#pairs.add(pair);
    await Promise.all([this.#forward(pair, near, far), this.#forward(pair, far, near)]);
    this.#pairs.delete(pair);
    close(near);
    close(far);
  }

  async #forward(pair: Pair, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const read = await from.read(buffer);
        if (pair.frozen && read === null) return; // not told to the other end
        if (pair.frozen) continue;
        if (read === null) return await to.closeWrite();
        for (let at = 0; at < read;) at += await to.write(buffer.subarray(at, read));
      }
    } catch {
      // One of the two is gone.
      if (!pair.frozen) { for (const socket of pair.sockets) close(socket); }
    }
  }
}

function close(socket: Deno.TcpConn): void {
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}
