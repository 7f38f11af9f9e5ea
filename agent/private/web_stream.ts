/** A stream of a private channel as the pair of web streams that programs know: back-pressure is the stream's credit. */
import { PosternError } from "../../src/errors/mod.ts";
import type { MuxStream, StreamHandler } from "../../src/mux/mod.ts";
import type { ResetReason } from "../../src/wire/mod.ts";

export interface PrivateStream {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
}

/**
 * Both ends of the stream that `open` makes. Closing `writable` ends that direction only; cancelling `readable` or aborting
 * `writable` cuts the stream. A stream that is cut fails both with `private_stream_cut`, `reason` in its detail.
 */
export function webStream(open: (handler: StreamHandler) => MuxStream): PrivateStream {
  return new WebStream(open);
}

class WebStream implements PrivateStream, StreamHandler {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #stream: MuxStream;
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  #in!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #out!: WritableStreamDefaultController;
  #wanted: (() => void) | undefined;
  #taken: (() => void) | undefined;
  #isEnded = false;
  #isOver = false;

  constructor(open: (handler: StreamHandler) => MuxStream) {
    this.readable = new ReadableStream({
      start: (controller) => void (this.#in = controller),
      pull: () => this.#pull(),
      cancel: () => this.#cut(),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream({
      start: (controller) => void (this.#out = controller),
      write: (chunk) => this.#write(chunk),
      close: () => this.#stream.end(),
      abort: () => this.#cut(),
    });
    this.#stream = open(this);
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    this.#queue.push(Uint8Array.from(buffer.subarray(start, end)));
    this.#want();
  }

  onEnd(): void {
    this.#isEnded = true;
    this.#want();
  }

  onReset(reason: ResetReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const error = new PosternError("private_stream_cut", `Cannot go on with the stream: ${reason}`, {
      detail: { reason },
    });
    this.#queue.length = 0;
    this.#in.error(error);
    this.#out.error(error);
    this.#want();
    this.onTaken();
  }

  onTaken(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  /** Hands one chunk to the reader; only then is its credit given back. */
  async #pull(): Promise<void> {
    while (this.#queue.length === 0 && !this.#isEnded && !this.#isOver) {
      await new Promise<void>((resolve) => this.#wanted = resolve);
    }
    if (this.#isOver) return;
    const chunk = this.#queue.shift();
    if (chunk === undefined) return this.#in.close();
    this.#stream.consumed(chunk.length);
    this.#in.enqueue(chunk);
  }

  /** The chunk is the program's again when it resolves. */
  async #write(chunk: Uint8Array): Promise<void> {
    this.#stream.offer(chunk);
    if (!this.#stream.idle && !this.#isOver) await new Promise<void>((resolve) => this.#taken = resolve);
  }

  #cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream.reset("cancelled");
    this.#want();
    this.onTaken();
  }

  #want(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }
}
