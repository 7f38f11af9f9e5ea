/**
 * Writes to a socket in order, from views of other people's buffers. Small pieces are put together and go out once per
 * turn of the event loop: the system call is what costs.
 */
import type { ByteStream } from "../ports/mod.ts";
import { type Slabs, SMALL_SLAB_BYTES } from "./slabs.ts";

/** Pieces up to this size are copied together; larger ones are written from where they lie. */
const COPY_BYTES = 4_096;

/** Bytes that lie elsewhere and stay there until they are released. */
export interface Lease {
  release(): void;
}

interface Piece {
  bytes: Uint8Array;
  /** Bytes of stream credit to return when it is written. */
  credit: number;
  /** What to release when the bytes are no longer needed. */
  lease: Lease | undefined;
  /** What to give back then. */
  slab: Uint8Array | undefined;
}

export interface SocketWriterEvents {
  /** So many bytes of credit are written. */
  onWritten(credit: number): void;
  /** A write failed; what was queued is dropped. Told once. */
  onError(error: unknown): void;
}

/** Tells nobody. */
export const NO_WRITER_EVENTS: SocketWriterEvents = Object.freeze({ onWritten() {}, onError() {} });

export class SocketWriter {
  readonly #socket: ByteStream;
  readonly #slabs: Slabs;
  /** Who is told; may be handed on while nothing waits. */
  events: SocketWriterEvents;
  #queue: Piece[] = [];
  /** Filled slabs of what is held back; undefined while nothing is. */
  #held: Piece[] | undefined;
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
   * Queues bytes. Without a lease they are copied; with it they may be written from where they lie, and must not change
   * before it is released.
   */
  write(bytes: Uint8Array, credit: number, lease?: Lease): void {
    if (this.#failed || bytes.length === 0) {
      lease?.release();
      return;
    }
    this.#queuedBytes += bytes.length;
    if (bytes.length <= COPY_BYTES || lease === undefined || this.#held !== undefined) {
      this.#copy(bytes, credit);
      lease?.release();
    } else {
      this.#sealSlab();
      this.#queue.push({ bytes, credit, lease, slab: undefined });
    }
    if (this.#held === undefined) this.#start();
  }

  /** What is written from now on waits for {@link letGo}; {@link dropHeld} takes it back. Meant for a few KiB. */
  hold(): void {
    if (this.#failed || this.#held !== undefined) return;
    this.#sealSlab();
    if (this.#queue.length > 0) this.#start();
    this.#held = [];
  }

  /** Writes what was held back. */
  letGo(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    for (let i = 0; i < held.length; i++) this.#queue.push(held[i]);
    this.#start();
  }

  /** Forgets what was held back. */
  dropHeld(): void {
    if (this.#held === undefined) return;
    this.#sealSlab();
    for (const piece of this.#held) {
      this.#queuedBytes -= piece.bytes.length;
      this.#giveUp(piece);
    }
    this.#held = undefined;
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
    this.#tellIdle();
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
    const queue = this.#held ?? this.#queue;
    if (this.#slab === undefined && queue.length > 0) queue[queue.length - 1].credit += credit;
    else this.#slabCredit += credit;
  }

  /** Closes the slab that small pieces go into and queues it. */
  #sealSlab(): void {
    const slab = this.#slab;
    if (slab === undefined) return;
    const bytes = slab.subarray(0, this.#used);
    (this.#held ?? this.#queue).push({ bytes, credit: this.#slabCredit, lease: undefined, slab });
    this.#slab = undefined;
    this.#used = 0;
    this.#slabCredit = 0;
  }

  #giveUp(piece: Piece): void {
    piece.lease?.release();
    if (piece.slab !== undefined) this.#slabs.give(piece.slab);
  }

  readonly #turn = (): void => void this.#run();

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(this.#turn);
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        if (this.#held === undefined) this.#sealSlab();
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
            for (let j = i + 1; j < batch.length; j++) this.#giveUp(batch[j]);
            throw error;
          } finally {
            this.#giveUp(piece);
            if (!this.#failed) this.#queuedBytes -= piece.bytes.length;
          }
          if (this.#failed) {
            for (let j = i + 1; j < batch.length; j++) this.#giveUp(batch[j]);
            return;
          }
          if (piece.credit > 0) this.events.onWritten(piece.credit);
        }
      }
      if (this.#ended && !this.#failed && this.#held === undefined) await this.#socket.closeWrite();
    } catch (error) {
      if (!this.#failed) {
        this.#failed = true;
        this.#dropAll();
        this.events.onError(error);
      }
    } finally {
      this.#running = false;
      this.#tellIdle();
      if (!this.#failed && (this.#held === undefined && this.#slab !== undefined || this.#queue.length > 0)) {
        this.#start();
      }
    }
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length > 0) { for (const resolve of this.#idleWaiters.splice(0)) resolve(); }
  }

  #dropAll(): void {
    for (const piece of this.#queue) this.#giveUp(piece);
    this.#queue = [];
    for (const piece of this.#held ?? []) this.#giveUp(piece);
    this.#held = undefined;
    if (this.#slab !== undefined) this.#slabs.give(this.#slab);
    this.#slab = undefined;
    this.#queuedBytes = 0;
  }
}
