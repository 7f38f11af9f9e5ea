import { PosternError } from "../../errors/mod.ts";
import type { ByteStream } from "../../ports/mod.ts";

/** A byte stream that gives so many bytes and no more, until whoever sends them has proved who it is. */
export class HandshakeBudget implements ByteStream {
  readonly #stream: ByteStream;
  #leftBytes: number;

  constructor(stream: ByteStream, bytes: number) {
    this.#stream = stream;
    this.#leftBytes = bytes;
  }

  get remoteAddress(): string {
    return this.#stream.remoteAddress;
  }

  get localAddress(): string | undefined {
    return this.#stream.localAddress;
  }

  /** The peer is known: no more bounds. */
  lift(): void {
    this.#leftBytes = Infinity;
  }

  /** Throws `tls_handshake_oversized`. */
  async read(into: Uint8Array): Promise<number | null> {
    if (this.#leftBytes <= 0) {
      throw new PosternError(
        "tls_handshake_oversized",
        `Cannot accept TLS from ${this.remoteAddress}: its handshake has too many bytes`,
      );
    }
    const bytes = await this.#stream.read(into.subarray(0, Math.min(into.length, this.#leftBytes)));
    this.#leftBytes -= bytes ?? 0;
    return bytes;
  }

  write(from: Uint8Array): Promise<number> {
    return this.#stream.write(from);
  }

  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  close(): void {
    this.#stream.close();
  }
}
