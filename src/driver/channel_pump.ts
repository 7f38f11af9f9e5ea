/**
 * Joins a channel with its carrier and the clock: reads records into the core's memory, lets the channel open them
 * there, and writes what it has to say, as many records as fit into one write.
 */
import { carriesTraffic, type Channel, isTerminal } from "../channel/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ByteStream, Clock, MessageFraming } from "../ports/mod.ts";
import { MAX_RECORD_BYTES } from "../wire/mod.ts";
import { LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES, type WireBuffer, type WireBuffers } from "./wire_buffers.ts";

/** Time for goodbye in both directions after the channel's end. */
const LINGER_MS = 2_000;
/** How often, and for how long, a carrier asks for a buffer when all are in use. */
const MEMORY_RETRY_MS = 10;
const MEMORY_WAIT_MS = 5_000;
/** How long a record may stay unfinished while memory is short. Less than others wait for the buffer that it occupies. */
const UNFINISHED_MS = 2_000;

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
  #saidGoodbye = false;
  #closed = false;
  #armedAt = Infinity;
  #disarm: (() => void) | undefined;
  #onClose: () => void = () => {};
  #lingerOver: (() => void) | undefined;
  #trusted = false;
  /** Since when the record at hand is incomplete, while that matters. */
  #unfinishedSince: number | undefined;
  /** Nothing is read any more: the carrier closes as soon as goodbye is said. */
  #readOver = false;
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

  /** Whether the channel was ever established: who never proved itself gets small buffers only, also while it is refused. */
  get #isTrusted(): boolean {
    return this.#trusted ||= carriesTraffic(this.#channel.state);
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
      await this.#discard();
    } finally {
      this.#channel.carrierEnded(this.#clock.now(), this.#framing.peerReason);
      this.#close();
    }
  }

  /**
   * Reads on without looking until the peer has closed and our goodbye is said, at most for {@link LINGER_MS}: closing a
   * socket with bytes unread would take the goodbye away.
   */
  async #discard(): Promise<void> {
    this.#linger();
    const sink = new Uint8Array(SMALL_BUFFER_BYTES);
    try {
      while (!this.#closed && await this.#stream.read(sink) !== null);
    } catch {
      // Broken off: there is nobody to wait for.
      return;
    }
    this.#readOver = true;
    if (!this.#closed && !this.#saidGoodbye) await new Promise<void>((resolve) => this.#onClose = resolve);
  }

  #linger(): void {
    if (this.#closed) return;
    this.#lingerOver ??= this.#clock.schedule(this.#clock.now() + LINGER_MS, () => this.#close());
  }

  async #readLoop(leftover: Uint8Array): Promise<void> {
    const memory = this.#buffers.core.memory;
    let buffer = this.#buffers.take(SMALL_BUFFER_BYTES);
    try {
      if (leftover.length > buffer.bytes) throw unprovenTooLarge();
      memory.set(leftover, buffer.offset);
      let start = buffer.offset;
      let end = start + leftover.length;
      let read: number | null = leftover.length;
      for (;;) {
        this.#receiving = buffer;
        start = this.#parse(start, end);
        if (start < 0) return;
        const tail = end - start;
        this.#receiving = undefined;
        const bytes = this.#bytesFor(buffer, start, end, read);
        // Short of memory, what still has room is read on into: most records are small.
        const fresh = bytes === undefined ? buffer : this.#buffers.tryTake(bytes) ??
          (buffer.isSole && tail < buffer.bytes ? buffer : await this.#waitForBuffer(bytes));
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
        const lift = this.#limitUnfinished(buffer, tail);
        try {
          read = await this.#stream.read(memory.subarray(end, buffer.end));
        } finally {
          lift?.();
        }
        if (read === null) return;
        this.bytesIn += read;
        end += read;
      }
    } finally {
      this.#receiving = undefined;
      buffer.release();
    }
  }

  /**
   * Size of another buffer to read on into, when the unparsed tail could not grow to a whole record in this one. Who is not
   * proven gets no more than the small one, in which every message of the handshake has room.
   */
  #bytesFor(
    buffer: WireBuffer,
    start: number,
    end: number,
    read: number,
  ): typeof SMALL_BUFFER_BYTES | typeof LARGE_BUFFER_BYTES | undefined {
    const tail = end - start;
    if (!this.#isTrusted) {
      if (tail >= buffer.bytes) throw unprovenTooLarge();
      return undefined;
    }
    if (buffer.bytes === SMALL_BUFFER_BYTES) {
      // A full read, or a record that has begun, asks for more; an idle carrier keeps the small one.
      if (tail > 0 || end === buffer.end) return LARGE_BUFFER_BYTES;
      return buffer.isSole ? undefined : SMALL_BUFFER_BYTES;
    }
    if (tail === 0 && read < SMALL_BUFFER_BYTES / 2) return SMALL_BUFFER_BYTES; // bulk is over
    if (buffer.isSole) return undefined;
    return buffer.end - end >= this.#maxWireBytes ? undefined : LARGE_BUFFER_BYTES;
  }

  /** While memory is short, nobody keeps a large buffer by beginning a record and leaving it unfinished. */
  #limitUnfinished(buffer: WireBuffer, tail: number): (() => void) | undefined {
    if (tail === 0 || buffer.bytes === SMALL_BUFFER_BYTES || !this.#buffers.isPressed) {
      this.#unfinishedSince = undefined;
      return undefined;
    }
    this.#unfinishedSince ??= this.#clock.now();
    return this.#clock.schedule(this.#unfinishedSince + UNFINISHED_MS, () => {
      this.#channel.fail(
        new PosternError("wire_memory_exhausted", "Cannot wait for the rest of a record: memory is short"),
      );
      this.wake();
    });
  }

  /** Waits until others give a buffer back: what they hold is on its way out. @throws PosternError `wire_memory_exhausted` */
  async #waitForBuffer(
    bytes: typeof SMALL_BUFFER_BYTES | typeof LARGE_BUFFER_BYTES,
  ): Promise<WireBuffer> {
    for (let waited = 0; waited < MEMORY_WAIT_MS && !this.#closed; waited += MEMORY_RETRY_MS) {
      const at = this.#clock.now() + MEMORY_RETRY_MS;
      await new Promise<void>((resolve) => this.#clock.schedule(at, resolve));
      const buffer = this.#buffers.tryTake(bytes);
      if (buffer !== undefined) return buffer;
    }
    if (this.#closed) throw new PosternError("connection_closed", "Cannot read on: closed on this side");
    return this.#buffers.take(bytes);
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
          this.#unfinishedSince = undefined;
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
    if (isTerminal(this.#channel.state)) this.#linger(); // whether or not the peer takes our goodbye
    if (!this.#writing && !this.#closing && !this.#closed) this.#flush();
  };

  async #flush(): Promise<void> {
    this.#writing = true;
    let buffer: WireBuffer | undefined;
    let fits = true;
    try {
      for (;;) {
        const reply = this.#framing.takeReply();
        if (reply === null && !this.#channel.hasOutput) break;
        const bytes = this.#isTrusted ? LARGE_BUFFER_BYTES : SMALL_BUFFER_BYTES;
        if (buffer?.bytes !== bytes) {
          buffer?.release();
          buffer = undefined;
          // Short of memory, small records go out: most of what is waited for is small.
          buffer = this.#buffers.tryTake(bytes) ??
            (fits ? this.#buffers.tryTake(SMALL_BUFFER_BYTES) : undefined) ??
            await this.#waitForBuffer(bytes);
        }
        const end = this.#fill(buffer, reply);
        fits = end > buffer.offset;
        if (end > buffer.offset) await this.#writeAll(buffer.offset, end);
      }
      if (this.#channel.finished && !this.#closing) await this.#finish();
    } catch (error) {
      this.#channel.fail(error);
      // After its own close frame the framing takes no record: then the goodbye is said already.
      if (this.#closing || this.#closed) this.#close();
      else await this.#finish().catch(() => this.#close());
    } finally {
      buffer?.release();
      this.#writing = false;
      if (!this.#closing && (this.#channel.hasOutput || this.#channel.finished)) this.wake();
    }
  }

  #fill(buffer: WireBuffer, reply: Uint8Array | null): number {
    const memory = this.#buffers.core.memory;
    const now = this.#clock.now();
    let at = buffer.offset;
    if (reply !== null) {
      // Alone: when it is a close frame nothing may follow, and it is to go out even so.
      memory.set(reply, at);
      return at + reply.length;
    }
    // A small buffer holds any one message of the handshake, or the few frames that may go out before its end.
    while (at === buffer.offset || buffer.end - at >= this.#maxWireBytes) {
      const start = at + this.#framing.headerBytes;
      const end = this.#channel.takeRecord(start, Math.min(start + MAX_RECORD_BYTES, buffer.end), now);
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
    this.#linger();
    const bytes = this.#framing.closing(1000, this.#channel.reason ?? "");
    for (let at = 0; at < bytes.length;) at += await this.#stream.write(bytes.subarray(at));
    await this.#stream.closeWrite();
    this.#saidGoodbye = true;
    if (this.#readOver) this.#close();
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
      this.#rearm();
      this.wake();
    });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disarm?.();
    this.#lingerOver?.();
    this.#stream.close();
    this.#onClose();
  }
}

function unprovenTooLarge(): PosternError {
  return new PosternError(
    "record_too_large",
    `Cannot read record: over ${SMALL_BUFFER_BYTES} bytes before the peer has proved itself`,
  );
}
