import { Duplex } from "node:stream";
import { writeAll } from "../tcp_stream.ts";
import type { ByteStream } from "../../ports/mod.ts";

/** One read of ciphertext: four full TLS records fit. */
const READ_BYTES = 65_536;
/** What most reads of an idle or slow connection need; a read that fills it gets more. */
const FIRST_READ_BYTES = 8_192;

/** Where the plaintext of the ciphertext goes, with its own mark. */
interface Sink {
  readonly readableLength: number;
  readonly readableHighWaterMark: number;
}

/**
 * A byte stream as the Duplex below a TLS socket. TLS sockets do not stop what is below them, so this one looks at
 * their mark itself: it reads from the stream only while both the TLS socket's buffer and its own are below theirs.
 * The TLS socket must not be paused besides: what arrives then is kept where no mark shows it.
 */
export class GatedTransport extends Duplex {
  readonly #stream: ByteStream;
  #sink: Sink | undefined;
  #buffer = new Uint8Array(FIRST_READ_BYTES);
  #wake: (() => void) | undefined;
  #ended = false;
  #drained: (() => void)[] = [];
  /** Ciphertext that the TLS socket handed over, and what of it the stream took. */
  #handedBytes = 0;
  #writtenBytes = 0;
  #fault: unknown;

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: true, highWaterMark: READ_BYTES, emitClose: true });
    this.#stream = stream;
  }

  /** No more ciphertext will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Why the stream failed, if it did: the cause of whatever the TLS socket says. */
  get fault(): unknown {
    return this.#fault;
  }

  get failed(): boolean {
    return this.#fault !== undefined;
  }

  get handedBytes(): number {
    return this.#handedBytes;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Starts with bytes that were read from the stream before, then reads on for as long as the sink takes them. */
  start(sink: Sink, first: Uint8Array): void {
    this.#sink = sink;
    this.push(first);
    this.#pump();
  }

  /** Looks at the marks again. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Resolves when a write to the stream under way ends. */
  progress(): Promise<void> {
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  override _read(): void {
    this.wake();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#handedBytes += chunk.length;
    writeAll(this.#stream, chunk).then(() => {
      this.#writtenBytes += chunk.length;
      done();
    }, (error) => {
      this.#fault ??= error;
      done(error);
    }).finally(() => this.#settle());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.wake();
    done(error);
  }

  #settle(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }

  async #pump(): Promise<void> {
    try {
      while (!this.destroyed) {
        if (this.#isFull()) {
          await new Promise<void>((resolve) => this.#wake = resolve);
          continue;
        }
        const bytes = await this.#stream.read(this.#buffer);
        if (this.destroyed) return;
        if (bytes === null) {
          this.#ended = true;
          this.push(null);
          return;
        }
        this.push(this.#take(bytes));
      }
    } catch (error) {
      this.#fault ??= error;
      this.destroy(error as Error);
    }
  }

  #isFull(): boolean {
    return this.#sink!.readableLength >= this.#sink!.readableHighWaterMark ||
      this.readableLength >= this.readableHighWaterMark;
  }

  /** Small reads are copied out of the one buffer; a fresh buffer for each would keep the garbage collector busy. */
  #take(bytes: number): Uint8Array {
    if (bytes <= this.#buffer.length / 2) return this.#buffer.slice(0, bytes);
    const taken = this.#buffer.subarray(0, bytes);
    this.#buffer = new Uint8Array(bytes === this.#buffer.length ? READ_BYTES : this.#buffer.length);
    return taken;
  }
}
