/**
 * Joins a stream of a channel with a socket, both ways, byte for byte: TCP services and upgraded connections.
 * Half-close goes through in both directions; back-pressure is the stream's credit.
 */
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { ResetReason } from "../wire/mod.ts";
import { IDLE_SLAB_BYTES, LARGE_SLAB_BYTES, type Slabs, SMALL_SLAB_BYTES } from "./slabs.ts";
import { SocketWriter, type SocketWriterEvents } from "./socket_writer.ts";
import type { WireBuffer } from "./wire_buffers.ts";

export interface SpliceOptions {
  readonly stream: MuxStream;
  readonly socket: ByteStream;
  readonly slabs: Slabs;
  /** Keeps the carrier's receive buffer for writing from it. */
  readonly retain: () => WireBuffer | undefined;
  /** A writer on the socket that is in use already, with nothing waiting in it. */
  readonly writer?: SocketWriter;
  /** Bytes that crossed. */
  readonly onBytes?: (fromSocket: number, toSocket: number) => void;
}

export class StreamSplice implements StreamHandler {
  readonly #stream: MuxStream;
  readonly #socket: ByteStream;
  readonly #options: SpliceOptions;
  readonly #writer: SocketWriter;
  #takenWaiter: (() => void) | undefined;
  #done: (reason: ResetReason | undefined) => void = () => {};
  #remoteEnded = false;
  #sourceEnded = false;
  #over = false;

  constructor(options: SpliceOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.#socket = options.socket;
    const events: SocketWriterEvents = {
      onWritten: (credit) => {
        this.#stream.consumed(credit);
        this.#options.onBytes?.(0, credit);
      },
      onError: () => this.#cut("cancelled"),
    };
    this.#writer = options.writer ?? new SocketWriter(options.socket, options.slabs, events);
    this.#writer.events = events;
  }

  /** Runs until both directions have ended; tells the reason if the stream was cut. Never throws. */
  run(): Promise<ResetReason | undefined> {
    return new Promise((resolve) => {
      this.#done = resolve;
      this.#pumpSource();
    });
  }

  /** Ends both directions now. */
  cut(reason: ResetReason): void {
    this.#cut(reason);
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    this.#writer.write(buffer.subarray(start, end), end - start, this.#options.retain());
  }

  onEnd(): void {
    this.#remoteEnded = true;
    this.#writer.end();
    this.#writer.flushed().then(() => this.#finishIfEnded());
  }

  onReset(reason: ResetReason): void {
    this.#finish(reason);
  }

  onTaken(): void {
    const waiter = this.#takenWaiter;
    this.#takenWaiter = undefined;
    waiter?.();
  }

  async #pumpSource(): Promise<void> {
    const { slabs } = this.#options;
    let slab = slabs.idle();
    let recent = 0;
    try {
      while (!this.#over) {
        const read = await this.#socket.read(slab);
        if (read === null || this.#over) break;
        this.#options.onBytes?.(read, 0);
        await this.#send(slab, read);
        // A full read may have been cut short by its slab: it counts as one that fits the next larger one.
        recent = Math.max(read === slab.length ? read + 1 : read, recent >>> 1);
        const bytes = slabBytesFor(recent);
        if (bytes !== slab.length) {
          slabs.give(slab);
          slab = bytes === IDLE_SLAB_BYTES
            ? slabs.idle()
            : bytes === SMALL_SLAB_BYTES
            ? slabs.small()
            : slabs.large();
        }
      }
      this.#sourceEnded = true;
      this.#stream.end();
      this.#finishIfEnded();
    } catch {
      this.#cut("cancelled");
    } finally {
      slabs.give(slab);
    }
  }

  #send(bytes: Uint8Array, end: number): Promise<void> {
    this.#stream.offer(bytes, 0, end);
    if (this.#stream.idle || this.#over) return Promise.resolve();
    return new Promise((resolve) => this.#takenWaiter = resolve);
  }

  #cut(reason: ResetReason): void {
    if (this.#over) return;
    this.#stream.reset(reason);
    this.#finish(reason);
  }

  #finishIfEnded(): void {
    if (this.#remoteEnded && this.#sourceEnded && !this.#over && this.#writer.queuedBytes === 0) {
      this.#finish(undefined);
    }
  }

  #finish(reason: ResetReason | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#writer.abort();
    this.#socket.close();
    this.onTaken();
    this.#done(reason);
  }
}

/**
 * The slab to wait in for the next bytes. What came lately decides, each read counting half of the one after it: who
 * exchanges messages finds room for them at once, and a few small ones after bulk give the large slab back.
 */
function slabBytesFor(recentBytes: number): number {
  if (recentBytes <= IDLE_SLAB_BYTES) return IDLE_SLAB_BYTES;
  return recentBytes <= SMALL_SLAB_BYTES ? SMALL_SLAB_BYTES : LARGE_SLAB_BYTES;
}
