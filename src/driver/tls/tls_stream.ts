import type { TLSSocket } from "node:tls";
import { PosternError } from "../../errors/mod.ts";
import type { ByteStream } from "../../ports/mod.ts";
import type { GatedTransport } from "./gated_transport.ts";

/** Either end of a session. */
export type SessionSocket = TLSSocket & {
  /** Whether the stream below ended without close_notify. */
  readonly truncated: boolean;
};

/** Plaintext that one write takes: what is above waits in the caller's buffer, not in a copy of ours. */
const MAX_WRITE_BYTES = 262_144;

/**
 * An established TLS session as a {@link ByteStream}. Errors are those of the stream below; besides:
 *
 * - `read` throws `connection_reset` when the peer breaks TLS, or ends the connection without close_notify.
 * - `write` resolves when the stream below took all of its ciphertext.
 * - `closeWrite` sends close_notify and then ends the stream below in that direction; reading goes on, though many
 *   peers answer with their own end at once.
 * - `close` sends nothing: for an orderly end `closeWrite` comes first.
 */
export class TlsStream implements ByteStream {
  readonly remoteAddress: string;
  readonly #below: ByteStream;
  readonly #transport: GatedTransport;
  readonly #socket: SessionSocket;
  #closed = false;
  #writeClosed = false;
  #fault: unknown;
  #wake: (() => void)[] = [];

  constructor(below: ByteStream, transport: GatedTransport, socket: SessionSocket) {
    this.remoteAddress = below.remoteAddress;
    this.#below = below;
    this.#transport = transport;
    this.#socket = socket;
    const fail = (error: unknown) => {
      this.#fault ??= transport.fault ?? error;
      socket.destroy();
      this.#settle();
    };
    // After the handshake node:tls reports faults of the session as _tlsError alone, and leaves the socket open.
    socket.on("error", fail);
    socket.on("_tlsError", fail);
    for (const event of ["readable", "end", "close"]) socket.on(event, () => this.#settle());
  }

  async read(into: Uint8Array): Promise<number | null> {
    const socket = this.#socket;
    for (;;) {
      if (this.#closed) return null;
      if (into.length === 0) return 0;
      // The listener for "readable" runs a tick later than the bytes are there.
      const chunk = socket.readableLength > 0
        ? socket.read(Math.min(into.length, socket.readableLength)) as Uint8Array | null
        : null;
      if (chunk !== null) {
        into.set(chunk);
        return chunk.length;
      }
      if (this.#fault !== undefined) throw this.#broken("read from", this.#fault);
      if (socket.readableEnded) {
        if (!socket.truncated) return null;
        throw this.#broken("read from", undefined);
      }
      if (socket.destroyed) throw this.#broken("read from", this.#transport.fault);
      const changed = new Promise<void>((resolve) => this.#wake.push(resolve));
      socket.read(0);
      await changed;
    }
  }

  async write(from: Uint8Array): Promise<number> {
    if (this.#closed || this.#writeClosed) throw this.#closedHere();
    if (from.length === 0) return 0;
    const chunk = from.subarray(0, MAX_WRITE_BYTES);
    const error = await new Promise<unknown>((resolve) => this.#socket.write(chunk, resolve));
    if (error === undefined || error === null) return chunk.length;
    if (this.#closed) throw this.#closedHere(error);
    throw this.#broken("write to", this.#fault ?? this.#transport.fault ?? error);
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#writeClosed) return;
    this.#writeClosed = true;
    // Settles on success, failure and destruction alike.
    await new Promise<void>((resolve) => {
      this.#socket.once("close", () => resolve());
      this.#socket.end(resolve);
    });
    while (this.#transport.writtenBytes < this.#transport.handedBytes && !this.#transport.failed) {
      await this.#transport.progress();
    }
    if (!this.#closed) await this.#below.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#below.close();
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  #closedHere(cause?: unknown): PosternError {
    return new PosternError(
      "connection_closed",
      `Cannot write to ${this.remoteAddress}: closed on this side`,
      { cause },
    );
  }

  /** The error of the stream below where that failed; else the session did. */
  #broken(verb: string, cause: unknown): PosternError {
    if (cause instanceof PosternError) return cause;
    const state = cause === undefined ? "it ended without close_notify" : "the TLS session broke";
    return new PosternError("connection_reset", `Cannot ${verb} ${this.remoteAddress}: ${state}`, { cause });
  }
}
