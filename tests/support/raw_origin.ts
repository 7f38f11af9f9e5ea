/** A service that answers exactly what a test wants, byte for byte, and counts its connections. */
import { RawClient } from "./raw_client.ts";

/** Ends with its scope: `await using origin = RawOrigin.start(async (socket) => { ... })`. */
export class RawOrigin implements AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  connections = 0;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<RawClient>();
  readonly #serving: Promise<void>;
  /** What a handler threw, for the end of the test. */
  #error: unknown;

  private constructor(serve: (socket: RawClient, connection: number) => Promise<void>) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#serving = this.#acceptAll(serve);
  }

  /** `serve` runs for each connection, which is closed after it. It may end by an error when the other end goes. */
  static start(serve: (socket: RawClient, connection: number) => Promise<void>): RawOrigin {
    return new RawOrigin(serve);
  }

  /** Accepts and answers nothing. */
  static silent(): RawOrigin {
    return new RawOrigin(async (socket) => void await socket.rest().catch(() => {}));
  }

  get target(): string {
    return `127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const socket of this.#open) socket[Symbol.dispose]();
    await this.#serving;
    if (this.#error !== undefined) throw this.#error;
  }

  async #acceptAll(serve: (socket: RawClient, connection: number) => Promise<void>): Promise<void> {
    const running: Promise<void>[] = [];
    try {
      for await (const conn of this.#listener) {
        conn.setNoDelay(true);
        const socket = new RawClient(conn);
        this.#open.add(socket);
        running.push(this.#serve(socket, ++this.connections, serve));
      }
    } catch {
      // The listener was closed.
    }
    await Promise.all(running);
  }

  async #serve(
    socket: RawClient,
    connection: number,
    serve: (socket: RawClient, connection: number) => Promise<void>,
  ): Promise<void> {
    try {
      await serve(socket, connection);
    } catch (error) {
      const expected = error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
        error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
        /connection ended/.test(String(error));
      if (!expected) this.#error ??= error;
    } finally {
      this.#open.delete(socket);
      socket[Symbol.dispose]();
    }
  }
}
