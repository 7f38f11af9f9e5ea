/**
 * Joins a channel with its carrier and the clock: reads records into the core's memory, lets the channel open them
 * there, and writes what it has to say, as many records as fit into one write.
 */
import type { Channel } from "../channel/mod.ts";
import type { ByteStream, Clock, MessageFraming } from "../ports/mod.ts";
import { MAX_RECORD_BYTES } from "../wire/mod.ts";
import { LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES, type WireBuffer, type WireBuffers } from "./wire_buffers.ts";

/** Time for the peer to close its side after the channel's orderly end. */
const LINGER_MS = 2_000;

export class ChannelPump {
  readonly #stream: ByteStream;
  readonly #framing: MessageFraming;
  readonly #buffers: WireBuffers;
  readonly #clock: Clock;
  readonly #maxWireBytes: number;
  #channel!: Channel;
  #receiving: WireBuffer | undefined;
  #flushQueued = false;
  #writing = false;
  #closing = false;
  #closed = false;
  #armedAt = Infinity;
  #disarm: (() => void) | undefined;
  #onClose: () => void = NOTHING;
  #lingerOver: () => void = NOTHING;
  /** Bytes on the carrier, headers and tags included. */
  bytesIn = 0;
  bytesOut = 0;

  constructor(options: { stream: ByteStream; framing: MessageFraming; buffers: WireBuffers; clock: Clock }) {
    this.#stream = options.stream;
    this.#framing = options.framing;
    this.#buffers = options.buffers;
    this.#clock = options.clock;
    // A masked frame has 8 bytes of header, whichever end we are.
    this.#maxWireBytes = Math.max(options.framing.headerBytes, 8) + MAX_RECORD_BYTES;
  }

  /** For `ChannelEvents.wake`. */
  readonly wake = (): void => {
    if (this.#flushQueued || this.#channel === undefined) return;
    this.#flushQueued = true;
    queueMicrotask(this.#turn);
  };

  /**
   * Keeps the receive buffer that `onData` just showed; call `release` on it when its bytes are written.
   * Undefined when memory is short: copy instead.
   */
  retain(): WireBuffer | undefined {
    return this.#buffers.isPressed ? undefined : this.#receiving?.retain();
  }

  /** Runs until the carrier is closed. @param leftover bytes that were read behind the upgrade */
  async run(channel: Channel, leftover: Uint8Array): Promise<void> {
    this.#channel = channel;
    channel.start(this.#clock.now());
    this.wake();
    try {
      await this.#readLoop(leftover);
    } catch (error) {
      // The peer is still told, as far as it takes bytes.
      this.#channel.fail(error);
      this.wake();
      if (!this.#closed) await this.#lingered();
    } finally {
      this.#channel.carrierEnded(this.#clock.now());
      this.#close();
    }
  }

  /** Resolves when the goodbye is written and the carrier closed, or after {@link LINGER_MS}. */
  #lingered(): Promise<void> {
    this.#lingerOver = this.#clock.schedule(this.#clock.now() + LINGER_MS, () => this.#close());
    return new Promise((resolve) => this.#onClose = resolve);
  }

  async #readLoop(leftover: Uint8Array): Promise<void> {
    const memory = this.#buffers.core.memory;
    let buffer = this.#buffers.take(
      leftover.length > SMALL_BUFFER_BYTES / 2 ? LARGE_BUFFER_BYTES : SMALL_BUFFER_BYTES,
    );
    try {
      memory.set(leftover, buffer.offset);
      let start = buffer.offset;
      let end = start + leftover.length;
      for (;;) {
        this.#receiving = buffer;
        start = this.#parse(start, end);
        if (start < 0) return;
        const tail = end - start;
        const fresh = this.#roomFor(buffer, start, end);
        if (fresh === buffer) {
          if (tail === 0 && buffer.isSole) start = end = buffer.offset;
          else if (buffer.isSole && start > buffer.offset && buffer.end - end < this.#maxWireBytes) {
            memory.copyWithin(buffer.offset, start, end);
            start = buffer.offset;
            end = start + tail;
          }
        } else {
          memory.copyWithin(fresh.offset, start, end);
          buffer.release();
          buffer = fresh;
          start = buffer.offset;
          end = start + tail;
        }
        this.#receiving = undefined;
        const read = await this.#stream.read(memory.subarray(end, buffer.end));
        if (read === null) return;
        this.bytesIn += read;
        end += read;
      }
    } finally {
      this.#receiving = undefined;
      buffer.release();
    }
  }

  /** The buffer to read on into: another one when the unparsed tail could not grow to a whole record in this one. */
  #roomFor(buffer: WireBuffer, start: number, end: number): WireBuffer {
    const tail = end - start;
    if (buffer.bytes === SMALL_BUFFER_BYTES) {
      // A full read, or a record that has begun, asks for more; an idle carrier keeps the small one.
      const busy = tail > 0 || end === buffer.end;
      if (busy) return this.#buffers.take(LARGE_BUFFER_BYTES);
      return buffer.isSole ? buffer : this.#buffers.take(SMALL_BUFFER_BYTES);
    }
    if (buffer.isSole) return buffer;
    return buffer.end - end >= this.#maxWireBytes ? buffer : this.#buffers.take(LARGE_BUFFER_BYTES);
  }

  /** Hands whole records to the channel; returns where the rest begins, or -1 when the peer has closed. */
  #parse(start: number, end: number): number {
    const framing = this.#framing;
    const memory = this.#buffers.core.memory;
    try {
      for (;;) {
        const result = framing.next(memory, start, end);
        if (result === "incomplete") return start;
        if (result === "closed") return -1;
        start = framing.nextStart;
        if (result === "message") {
          this.#channel.receive(framing.messageStart, framing.messageEnd, this.#clock.now());
        }
      }
    } finally {
      this.wake();
    }
  }

  readonly #turn = (): void => {
    this.#flushQueued = false;
    this.#rearm();
    if (!this.#writing && !this.#closed) this.#flush();
  };

  async #flush(): Promise<void> {
    this.#writing = true;
    let buffer: WireBuffer | undefined;
    try {
      for (;;) {
        const reply = this.#framing.takeReply();
        if (reply === null && !this.#channel.hasOutput) break;
        buffer ??= this.#buffers.take(LARGE_BUFFER_BYTES);
        const end = this.#fill(buffer, reply);
        if (end > buffer.offset) await this.#writeAll(buffer.offset, end);
      }
      if (this.#channel.finished && !this.#closing) await this.#finish();
    } catch (error) {
      this.#channel.fail(error);
      this.#close();
    } finally {
      buffer?.release();
      this.#writing = false;
      if (this.#channel.hasOutput || (this.#channel.finished && !this.#closing)) this.wake();
    }
  }

  #fill(buffer: WireBuffer, reply: Uint8Array | null): number {
    const memory = this.#buffers.core.memory;
    const now = this.#clock.now();
    let at = buffer.offset;
    if (reply !== null) {
      memory.set(reply, at);
      at += reply.length;
    }
    while (buffer.end - at >= this.#maxWireBytes) {
      const start = at + this.#framing.headerBytes;
      const end = this.#channel.takeRecord(start, start + MAX_RECORD_BYTES, now);
      if (end === start) break;
      at = this.#framing.frame(memory, start, end);
    }
    return at;
  }

  async #writeAll(start: number, end: number): Promise<void> {
    const memory = this.#buffers.core.memory;
    while (start < end) {
      const written = await this.#stream.write(memory.subarray(start, end));
      start += written;
      this.bytesOut += written;
    }
  }

  /** Says goodbye on the carrier and gives the peer a moment to close: bytes under way must not meet a reset. */
  async #finish(): Promise<void> {
    this.#closing = true;
    this.#lingerOver();
    this.#lingerOver = this.#clock.schedule(this.#clock.now() + LINGER_MS, () => this.#close());
    const bytes = this.#framing.closing(1000, this.#channel.reason ?? "");
    for (let at = 0; at < bytes.length;) at += await this.#stream.write(bytes.subarray(at));
    await this.#stream.closeWrite();
    if (this.#onClose !== NOTHING) this.#close(); // nobody reads any more
  }

  #rearm(): void {
    const deadline = this.#channel.deadline;
    if (deadline >= this.#armedAt || this.#closed) return;
    this.#disarm?.();
    this.#armedAt = deadline;
    this.#disarm = this.#clock.schedule(deadline, () => {
      this.#armedAt = Infinity;
      this.#disarm = undefined;
      const now = this.#clock.now();
      if (now >= this.#channel.deadline) this.#channel.timeout(now);
      this.#endIfStuck();
      this.#rearm();
      this.wake();
    });
  }

  /** A channel that ended while its carrier does not take bytes is closed without goodbye. */
  #endIfStuck(): void {
    if (!this.#channel.finished || this.#closing) return;
    if (this.#writing) this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disarm?.();
    this.#lingerOver();
    this.#stream.close();
    this.#onClose();
  }
}

const NOTHING = () => {};
