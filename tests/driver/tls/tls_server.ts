/** A server on a loopback port whose connections end in {@link acceptTls}; and a TLS client over any byte stream. */
import tls from "node:tls";
import { systemClock, TcpStream, writeAll } from "../../../src/driver/mod.ts";
import { GatedTransport } from "../../../src/driver/tls/gated_transport.ts";
import { type AcceptedTls, acceptTls, type ServerContexts } from "../../../src/driver/tls/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import type { ByteStream } from "../../../src/ports/mod.ts";
import type { KeyPair } from "../../support/certificates.ts";

export const handshakeTimeoutMs = 20_000;

/** One certificate for every name. */
export function contextsOf(pair: Pick<KeyPair, "cert" | "key">): ServerContexts {
  const context = tls.createSecureContext({ cert: pair.cert, key: pair.key });
  return { contextFor: () => context };
}

export class TlsServer implements AsyncDisposable {
  readonly port: number;
  /** Codes of connections that were refused or failed, in their order. */
  readonly codes: string[] = [];
  /** Ciphertext that was taken from all sockets. */
  readBytes = 0;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<ByteStream>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(contexts: ServerContexts, handle: (accepted: AcceptedTls) => Promise<void>) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept(contexts, handle);
  }

  async #accept(contexts: ServerContexts, handle: (accepted: AcceptedTls) => Promise<void>): Promise<void> {
    for await (const conn of this.#listener) {
      const tcp = this.#counted(new TcpStream(conn));
      this.#open.add(tcp);
      const run = acceptTls(tcp, { contexts, clock: systemClock, timeoutMs: handshakeTimeoutMs })
        .then(async (accepted) => {
          this.#open.add(accepted.stream);
          await handle(accepted).finally(() => accepted.stream.close());
        })
        .catch((error) => void this.codes.push(codeOf(error)))
        .finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  #counted(tcp: TcpStream): ByteStream {
    return {
      remoteAddress: tcp.remoteAddress,
      read: async (into) => {
        const bytes = await tcp.read(into);
        this.readBytes += bytes ?? 0;
        return bytes;
      },
      write: (from) => tcp.write(from),
      closeWrite: () => tcp.closeWrite(),
      close: () => tcp.close(),
    };
  }

  /** All connections so far have come to their end. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const stream of this.#open) stream.close();
    await this.#accepting;
    await this.idle();
  }
}

/** Sends back what comes, and ends when the peer does. */
export async function echo({ stream }: AcceptedTls): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let bytes = await stream.read(buffer); bytes !== null; bytes = await stream.read(buffer)) {
    await writeAll(stream, buffer.subarray(0, bytes));
  }
  await stream.closeWrite();
}

/** Reads to the end. */
export async function readAll(stream: Pick<ByteStream, "read">, bufferBytes = 65_536): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(bufferBytes);
  for (let bytes = await stream.read(buffer); bytes !== null; bytes = await stream.read(buffer)) {
    parts.push(buffer.slice(0, bytes));
  }
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

/** A node:tls client over a byte stream, connected; it trusts `ca`. */
export async function connectOver(
  stream: ByteStream,
  ca: string,
  options: tls.ConnectionOptions = {},
): Promise<tls.TLSSocket> {
  const transport = new GatedTransport(stream);
  const socket = tls.connect({ socket: transport, ca, servername: "a.test", ...options });
  const read = socket._read;
  socket._read = (bytes) => {
    read.call(socket, bytes);
    transport.wake();
  };
  const established = new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  transport.start(socket, new Uint8Array());
  await established;
  return socket;
}

/** Bytes that are no repetition, the same in every run. */
export function patternBytes(bytes: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = 0x9e37_79b9;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}
