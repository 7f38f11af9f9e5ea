/** JSON in frames over a byte stream. The length is judged before the frame is waited for. */
import { utf8, utf8Decode } from "../bytes/mod.ts";
import { writeAll } from "../driver/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ByteStream } from "../ports/mod.ts";

const headerBytes = 4;
/** One read. */
const readBytes = 16_384;
/** Frames that wait for a peer that does not read; then it is given up. */
const maxWaitingFrames = 512;

export class FrameStream {
  readonly #stream: ByteStream;
  readonly #maxBytes: number;
  #buffer = new Uint8Array(readBytes);
  #start = 0;
  #end = 0;
  #waiting = 0;
  #writing: Promise<unknown> = Promise.resolve();

  /** @param maxBytes of one frame that is read */
  constructor(stream: ByteStream, maxBytes: number) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
  }

  /** The next value; undefined at an orderly end. Throws `node_frame_invalid`, and what the stream throws. */
  async read(): Promise<unknown> {
    if (!await this.#fill(headerBytes)) {
      if (this.#end === this.#start) return undefined;
      throw invalid("it ends within its length");
    }
    const length = new DataView(this.#buffer.buffer, this.#start).getUint32(0);
    if (length === 0 || length > this.#maxBytes) throw invalid("its length is out of bounds");
    if (!await this.#fill(headerBytes + length)) throw invalid("the connection ended within it");
    const from = this.#start + headerBytes;
    const bytes = this.#buffer.subarray(from, from + length);
    this.#start = from + length;
    try {
      return JSON.parse(utf8Decode(bytes));
    } catch (cause) {
      throw invalid("it is no JSON", cause);
    }
  }

  /** In order, one after the other. Throws `node_peer_slow`, and what the stream throws. */
  async write(value: unknown): Promise<void> {
    if (this.#waiting >= maxWaitingFrames) {
      throw new PosternError("node_peer_slow", "Cannot write to the node: it does not read what is sent");
    }
    const json = utf8(JSON.stringify(value));
    const frame = new Uint8Array(headerBytes + json.length);
    new DataView(frame.buffer).setUint32(0, json.length);
    frame.set(json, headerBytes);
    this.#waiting++;
    const written = this.#writing.then(() => writeAll(this.#stream, frame)).finally(() => this.#waiting--);
    this.#writing = written.catch(() => {});
    await written;
  }

  close(): void {
    this.#stream.close();
  }

  /** Until so many bytes are there; false when the peer ends before. */
  async #fill(bytes: number): Promise<boolean> {
    while (this.#end - this.#start < bytes) {
      this.#makeRoom(bytes);
      const read = await this.#stream.read(this.#buffer.subarray(this.#end));
      if (read === null) return false;
      this.#end += read;
    }
    return true;
  }

  #makeRoom(bytes: number): void {
    if (this.#buffer.length - this.#start >= bytes && this.#end < this.#buffer.length) return;
    const held = this.#buffer.subarray(this.#start, this.#end);
    const next = new Uint8Array(Math.max(readBytes, bytes, held.length + readBytes));
    next.set(held);
    this.#buffer = next;
    this.#end -= this.#start;
    this.#start = 0;
  }
}

function invalid(state: string, cause?: unknown): PosternError {
  return new PosternError("node_frame_invalid", `Cannot read the node's frame: ${state}`, { cause });
}
