/**
 * Writes to a socket in order, from views of other people's buffers. Small pieces are put together and go out once per
 * turn of the event loop: the system call is what costs.
 */
import type { ByteStream } from "../ports/mod.ts";
import { type Slabs, SMALL_SLAB_BYTES } from "./slabs.ts";

/** Pieces up to this size are copied together; larger ones are written from where they lie. */
const COPY_BYTES = 4_096;

interface Piece {
  bytes: Uint8Array;
  /** Bytes of stream credit to return when it is written. */
  credit: number;
  /** Called when the bytes are no longer needed. */
  release: (() => void) | undefined;
}

export interface SocketWriterEvents {
  /** So many bytes of credit are written. */
  onWritten(credit: number): void;
  /** A write failed; what was queued is dropped. Told once. */
  onError(error: unknown): void;
}

export class SocketWriter {
  readonly #socket: ByteStream;
  readonly #slabs: Slabs;
  /** Who is told; may be handed on while nothing waits. */
  events: SocketWriterEvents;
  #queue: Piece[] = [];
  #slab: Uint8Array | undefined;
  #used = 0;
  #slabCredit = 0;
  #queuedBytes = 0;
  #writtenBytes = 0;
  #running = false;
  #ended = false;
  #failed = false;
  #idleWaiters: (() => void)[] = [];

  constructor(socket: ByteStream, slabs: Slabs, events: SocketWriterEvents) {
    this.#socket = socket;
    this.#slabs = slabs;
    this.events = events;
  }

  /** Bytes that wait. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  /** Bytes that the socket has taken so far. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }
  get failed(): boolean {
    return this.#failed;
  }

  /**
   * Queues bytes. Without `release` they are copied when the socket is busy or they are few; with it they may be written from
   * where they lie, and must not change before it is called.
   */
  write(bytes: Uint8Array, credit: number, release?: () => void): void {
    if (this.#failed || bytes.length === 0) {
      release?.();
      return;
    }
    this.#queuedBytes += bytes.length;
    if (bytes.length <= COPY_BYTES || release === undefined) {
      this.#copy(bytes, credit);
      release?.();
    } else {
      this.#sealSlab();
      this.#queue.push({ bytes, credit, release });
    }
    this.#start();
  }

  /** Half-closes the socket when everything is written. */
  end(): void {
    if (this.#ended || this.#failed) return;
    this.#ended = true;
    this.#start();
  }

  /** Resolves when everything that is queued now is written, or has failed. */
  flushed(): Promise<void> {
    if (!this.#running || this.#failed) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Drops what waits; a write in flight is left to the closing of the socket, and nobody waits for it any more. */
  abort(): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#dropAll();
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #copy(bytes: Uint8Array, credit: number): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#slab === undefined) {
        this.#slab = bytes.length - at > SMALL_SLAB_BYTES ? this.#slabs.large() : this.#slabs.small();
      }
      const part = Math.min(bytes.length - at, this.#slab.length - this.#used);
      this.#slab.set(at === 0 && part === bytes.length ? bytes : bytes.subarray(at, at + part), this.#used);
      this.#used += part;
      at += part;
      if (this.#used === this.#slab.length) this.#sealSlab();
    }
    if (this.#slab === undefined && this.#queue.length > 0) {
      this.#queue[this.#queue.length - 1].credit += credit;
    } else this.#slabCredit += credit;
  }

  /** Closes the slab that small pieces go into and queues it. */
  #sealSlab(): void {
    const slab = this.#slab;
    if (slab === undefined) return;
    this.#queue.push({
      bytes: slab.subarray(0, this.#used),
      credit: this.#slabCredit,
      release: () => this.#slabs.give(slab),
    });
    this.#slab = undefined;
    this.#used = 0;
    this.#slabCredit = 0;
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => this.#run());
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        this.#sealSlab();
        if (this.#queue.length === 0) break;
        const batch = this.#queue;
        this.#queue = [];
        for (let i = 0; i < batch.length; i++) {
          const piece = batch[i];
          try {
            for (let at = 0; at < piece.bytes.length && !this.#failed;) {
              const written = await this.#socket.write(at === 0 ? piece.bytes : piece.bytes.subarray(at));
              this.#writtenBytes += written;
              at += written;
            }
          } catch (error) {
            for (let j = i + 1; j < batch.length; j++) batch[j].release?.();
            throw error;
          } finally {
            piece.release?.();
            if (!this.#failed) this.#queuedBytes -= piece.bytes.length;
          }
          if (this.#failed) {
            for (let j = i + 1; j < batch.length; j++) batch[j].release?.();
            return;
          }
          if (piece.credit > 0) this.events.onWritten(piece.credit);
        }
      }
      if (this.#ended && !this.#failed) await this.#socket.closeWrite();
    } catch (error) {
      if (!this.#failed) {
        this.#failed = true;
        this.#dropAll();
        this.events.onError(error);
      }
    } finally {
      this.#running = false;
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
      if (!this.#failed && (this.#slab !== undefined || this.#queue.length > 0)) this.#start();
    }
  }

  #dropAll(): void {
    for (const piece of this.#queue) piece.release?.();
    this.#queue = [];
    if (this.#slab !== undefined) this.#slabs.give(this.#slab);
    this.#slab = undefined;
    this.#queuedBytes = 0;
  }
}
