/** A socket of one thread, as another one sees it: its bytes over a message port, bounded by credit in both directions. */
import { PosternError } from "../errors/mod.ts";
import type { ByteStream } from "../ports/mod.ts";

/** Bytes under way, each way. */
const WINDOW_BYTES = 524_288;
/** Most bytes of one message. */
const MESSAGE_BYTES = 262_144;

type Message =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "taken"; readonly bytes: number }
  | { readonly kind: "end" | "close" };

export class PortStream implements ByteStream {
  readonly remoteAddress: string;
  readonly #port: MessagePort;
  readonly #received: Uint8Array[] = [];
  #taken = 0;
  #credit = WINDOW_BYTES;
  #ended = false;
  #writeEnded = false;
  #broken = false;
  #closed = false;
  readonly #over = Promise.withResolvers<void>();
  #wakeReader = () => {};
  #wakeWriter = () => {};

  constructor(port: MessagePort, remoteAddress: string) {
    this.remoteAddress = remoteAddress;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(data);
  }

  /** Resolves when either side has closed. What came before is still there to be read. */
  get closed(): Promise<void> {
    return this.#over.promise;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#received.length === 0) {
      if (this.#closed || this.#ended) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const first = this.#received[0];
    const bytes = Math.min(into.length, first.length);
    into.set(first.subarray(0, bytes));
    if (bytes === first.length) this.#received.shift();
    else this.#received[0] = first.subarray(bytes);
    this.#taken += bytes;
    // Not a message for every few bytes.
    if (this.#taken >= WINDOW_BYTES / 4 || this.#received.length === 0) {
      this.#post({ kind: "taken", bytes: this.#taken });
      this.#taken = 0;
    }
    return bytes;
  }

  async write(from: Uint8Array): Promise<number> {
    while (this.#credit === 0 && !this.#broken && !this.#closed) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
    if (this.#closed || this.#writeEnded) {
      throw new PosternError("connection_closed", "Cannot write to another thread: closed on this side");
    }
    if (this.#broken) {
      throw new PosternError(
        "connection_reset",
        "Cannot write to another thread: it has closed the connection",
      );
    }
    const length = Math.min(from.length, this.#credit, MESSAGE_BYTES);
    this.#credit -= length;
    const bytes = from.slice(0, length);
    this.#port.postMessage({ kind: "bytes", bytes } satisfies Message, [bytes.buffer]);
    return length;
  }

  closeWrite(): Promise<void> {
    if (!this.#writeEnded) this.#post({ kind: "end" });
    this.#writeEnded = true;
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed) return;
    this.#post({ kind: "close" });
    this.#closed = true;
    this.#received.length = 0;
    this.#port.close();
    this.#wake();
  }

  #post(message: Message): void {
    if (!this.#closed) this.#port.postMessage(message);
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case "bytes":
        this.#received.push(message.bytes);
        return this.#wakeReader();
      case "taken":
        this.#credit += message.bytes;
        return this.#wakeWriter();
      case "end":
        this.#ended = true;
        return this.#wakeReader();
      case "close":
        this.#ended = this.#broken = true;
        return this.#wake();
      default:
        message satisfies never;
    }
  }

  #wake(): void {
    this.#over.resolve();
    this.#wakeReader();
    this.#wakeWriter();
  }
}
