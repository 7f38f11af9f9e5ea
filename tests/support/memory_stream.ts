import { PosternError } from "../../src/errors/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";

/** Bytes that one direction holds unless configured otherwise. */
const defaultBufferBytes = 65_536;

export interface MemoryStreamOptions {
  /** Bytes that each direction holds before writing waits; 64 KiB unless given. */
  readonly bufferBytes?: number;
  /** Most bytes that one read or write moves, to provoke short ones; unlimited unless given. */
  readonly maxTransferBytes?: number;
  /** What each end sees as the other's address. */
  readonly addresses?: readonly [string, string];
}

/**
 * Two connected ends in memory that behave as sockets do: bounded buffers, short reads and writes, half-close.
 * After `close` here the peer reads what was written before and then the end, and its writes fail with `connection_reset`.
 */
export function memoryStreamPair(options: MemoryStreamOptions = {}): [ByteStream, ByteStream] {
  const bufferBytes = options.bufferBytes ?? defaultBufferBytes;
  const [addressOfA, addressOfB] = options.addresses ?? ["memory:1", "memory:2"];
  const ab = new Pipe(bufferBytes);
  const ba = new Pipe(bufferBytes);
  const most = options.maxTransferBytes ?? Infinity;
  return [new MemoryStream(ba, ab, addressOfB, most), new MemoryStream(ab, ba, addressOfA, most)];
}

/** One direction: a ring of bytes. */
class Pipe {
  readonly #ring: Uint8Array;
  #at = 0;
  #filled = 0;
  /** No more bytes will be written. */
  ended = false;
  /** Nobody will read. */
  broken = false;
  #wake: (() => void)[] = [];

  constructor(bytes: number) {
    this.#ring = new Uint8Array(bytes);
  }

  get filled(): number {
    return this.#filled;
  }

  get room(): number {
    return this.#ring.length - this.#filled;
  }

  put(bytes: Uint8Array): void {
    const at = (this.#at + this.#filled) % this.#ring.length;
    const first = Math.min(bytes.length, this.#ring.length - at);
    this.#ring.set(bytes.subarray(0, first), at);
    this.#ring.set(bytes.subarray(first), 0);
    this.#filled += bytes.length;
    this.wake();
  }

  take(into: Uint8Array): void {
    const first = Math.min(into.length, this.#ring.length - this.#at);
    into.set(this.#ring.subarray(this.#at, this.#at + first));
    into.set(this.#ring.subarray(0, into.length - first), first);
    this.#at = (this.#at + into.length) % this.#ring.length;
    this.#filled -= into.length;
    this.wake();
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  wake(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}

class MemoryStream implements ByteStream {
  readonly remoteAddress: string;
  readonly #in: Pipe;
  readonly #out: Pipe;
  readonly #maxTransferBytes: number;
  #closed = false;

  constructor(incoming: Pipe, outgoing: Pipe, remoteAddress: string, maxTransferBytes: number) {
    this.#in = incoming;
    this.#out = outgoing;
    this.remoteAddress = remoteAddress;
    this.#maxTransferBytes = maxTransferBytes;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#closed) return null;
      const bytes = Math.min(into.length, this.#in.filled, this.#maxTransferBytes);
      if (bytes > 0 || into.length === 0) {
        this.#in.take(into.subarray(0, bytes));
        return bytes;
      }
      if (this.#in.ended) return null;
      await this.#in.changed();
    }
  }

  async write(from: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#closed || this.#out.ended) {
        throw new PosternError("connection_closed", "Cannot write to the memory stream: closed on this side");
      }
      if (this.#out.broken) {
        throw new PosternError(
          "connection_reset",
          "Cannot write to the memory stream: the other end closed it",
        );
      }
      const bytes = Math.min(from.length, this.#out.room, this.#maxTransferBytes);
      if (bytes > 0 || from.length === 0) {
        this.#out.put(from.subarray(0, bytes));
        return bytes;
      }
      await this.#out.changed();
    }
  }

  closeWrite(): Promise<void> {
    this.#out.ended = true;
    this.#out.wake();
    return Promise.resolve();
  }

  close(): void {
    this.#closed = true;
    this.#out.ended = true;
    this.#in.broken = true;
    this.#out.wake();
    this.#in.wake();
  }
}
