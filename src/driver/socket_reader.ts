/**
 * Reads a socket into one slab and keeps what was not taken yet: heads are parsed and bodies are sent from where they
 * were read. A read may be left pending while the answer is written, to notice that the other side has gone.
 */
import type { ByteStream } from "../ports/mod.ts";
import { LARGE_SLAB_BYTES, type Slabs } from "./slabs.ts";

export class SocketReader {
  readonly #socket: ByteStream;
  readonly #slabs: Slabs;
  #slab: Uint8Array | undefined;
  #pending: Promise<boolean> | undefined;
  #start = 0;
  #end = 0;
  #ended = false;
  #readBytes = 0;

  constructor(socket: ByteStream, slabs: Slabs) {
    this.#socket = socket;
    this.#slabs = slabs;
  }

  /** Bytes that were read and not taken: `[start, end)` of {@link buffer}. */
  get start(): number {
    return this.#start;
  }
  get end(): number {
    return this.#end;
  }
  get buffer(): Uint8Array {
    return this.#slab ?? EMPTY;
  }
  get available(): number {
    return this.#end - this.#start;
  }
  /** Bytes that came so far, those of {@link rest} not counted. */
  get readBytes(): number {
    return this.#readBytes;
  }
  /** The other side will send nothing more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The caller is done with `bytes` bytes. They must not be in use any more when {@link fill} is called next. */
  take(bytes: number): void {
    this.#start += bytes;
  }

  /**
   * Reads more behind `end`; false at the end of the stream. Moves what is left to the front when that makes room.
   * While a read is pending it is that one that is awaited. Throws what the socket throws, and RangeError when
   * {@link LARGE_SLAB_BYTES} untaken bytes are held already.
   */
  fill(): Promise<boolean> {
    this.#pending ??= this.#read().finally(() => this.#pending = undefined);
    return this.#pending;
  }

  /** Leaves a read pending and tells when it finds that the other side has ended or broken off. */
  watch(onGone: () => void): void {
    if (this.#ended) return onGone();
    this.fill().then((more) => more || onGone(), onGone);
  }

  /** The rest of the stream, what is held here first. */
  rest(): ByteStream {
    const socket = this.#socket;
    return {
      remoteAddress: socket.remoteAddress,
      read: (into) => this.#readInto(into),
      write: (from) => socket.write(from),
      closeWrite: () => socket.closeWrite(),
      close: () => socket.close(),
    };
  }

  /** Gives the slab back; call when the connection is over or idle, with nothing held. */
  release(): void {
    if (this.#pending !== undefined || this.#slab === undefined) return;
    this.#slabs.give(this.#slab);
    this.#slab = undefined;
    this.#start = this.#end = 0;
  }

  async #readInto(into: Uint8Array): Promise<number | null> {
    if (this.available === 0 && this.#pending !== undefined) await this.#pending;
    if (this.available > 0) {
      const part = Math.min(into.length, this.available);
      into.set(this.buffer.subarray(this.#start, this.#start + part));
      this.#start += part;
      return part;
    }
    this.release();
    if (this.#ended) return null;
    return await this.#socket.read(into);
  }

  async #read(): Promise<boolean> {
    if (this.#ended) return false;
    const slab = this.#makeRoom();
    const read = await this.#socket.read(this.#end === 0 ? slab : slab.subarray(this.#end));
    if (read === null) {
      this.#ended = true;
      return false;
    }
    this.#end += read;
    this.#readBytes += read;
    return true;
  }

  #makeRoom(): Uint8Array {
    let slab = this.#slab;
    if (slab === undefined) {
      slab = this.#slab = this.#slabs.small();
      this.#start = this.#end = 0;
      return slab;
    }
    const full = this.#end === slab.length;
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (full && slab.length < LARGE_SLAB_BYTES) {
      const large = this.#slabs.large();
      large.set(slab.subarray(this.#start, this.#end));
      this.#slabs.give(slab);
      this.#slab = slab = large;
    } else if (full && this.#start > 0) slab.copyWithin(0, this.#start, this.#end);
    else if (full && this.#end > 0) throw new RangeError("no room for more unread bytes");
    else return slab;
    this.#end -= this.#start;
    this.#start = 0;
    return slab;
  }
}

const EMPTY = new Uint8Array(0);
