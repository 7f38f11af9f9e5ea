/**
 * Lets several programs use one software TPM, as a kernel's resource manager device does: swtpm itself serves one
 * connection and leaves every other waiting. Whole commands are passed on one after the other; objects and sessions
 * stay shared.
 */

/** Tag, size, code: TCG TPM 2.0 Part 1, 18. */
const HEADER_BYTES = 10;
/** What swtpm takes at most. */
const MAX_MESSAGE_BYTES = 4_096;

export class TpmBroker implements AsyncDisposable {
  /** TCP port of 127.0.0.1 with the same service as the socket. */
  readonly port: number;
  readonly #device: () => Promise<Deno.Conn>;
  readonly #listeners: readonly Deno.Listener[];
  readonly #clients = new Set<Deno.Conn>();
  readonly #serving: Promise<unknown>[] = [];
  #upstream: Deno.Conn | undefined;
  #isBusy = false;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param path of the socket that it opens @param device connects to the TPM */
  constructor(path: string, device: () => Promise<Deno.Conn>) {
    this.#device = device;
    const tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = tcp.addr.port;
    this.#listeners = [Deno.listen({ transport: "unix", path }), tcp];
    for (const listener of this.#listeners) this.#serving.push(this.#accept(listener));
  }

  /** Sends one whole command after those that wait already. Rejects when the TPM goes away meanwhile. */
  command(bytes: Uint8Array): Promise<Uint8Array> {
    const answer = this.#queue.then(() => this.#exchange(bytes));
    this.#queue = answer.catch(() => {});
    return answer;
  }

  /** Whether the TPM has a command that it has not answered. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Forgets the connection to a TPM that is gone. */
  disconnect(): void {
    this.#upstream?.close();
    this.#upstream = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    for (const client of this.#clients) close(client);
    this.disconnect();
    await Promise.all(this.#serving);
    await this.#queue;
    this.disconnect();
  }

  async #exchange(bytes: Uint8Array): Promise<Uint8Array> {
    const conn = this.#upstream ??= await this.#device();
    this.#isBusy = true;
    try {
      await writeAll(conn, bytes);
      const answer = await readMessage(conn);
      if (answer === undefined) throw new Error("Cannot use the TPM: it closed the connection");
      return answer;
    } catch (error) {
      if (this.#upstream === conn) this.disconnect();
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    for await (const client of listener) {
      this.#clients.add(client);
      this.#serving.push(this.#serve(client));
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    try {
      for (let command; (command = await readMessage(client)) !== undefined;) {
        await writeAll(client, await this.command(command));
      }
    } catch {
      // The client or the TPM is gone: either way this connection is over.
    } finally {
      this.#clients.delete(client);
      close(client);
    }
  }
}

/** One command or answer; undefined when the connection ends before it begins. */
async function readMessage(conn: Deno.Conn): Promise<Uint8Array | undefined> {
  const header = await readExactly(conn, HEADER_BYTES);
  if (header === undefined) return undefined;
  const size = new DataView(header.buffer).getUint32(2);
  if (size < HEADER_BYTES || size > MAX_MESSAGE_BYTES) throw new Error(`Cannot pass on ${size} bytes`);
  const rest = await readExactly(conn, size - HEADER_BYTES);
  if (rest === undefined) throw new Error("Cannot pass on half a message");
  const message = new Uint8Array(size);
  message.set(header);
  message.set(rest, HEADER_BYTES);
  return message;
}

async function readExactly(conn: Deno.Conn, length: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) return undefined;
    at += count;
  }
  return bytes;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Closed by whoever was first.
  }
}
