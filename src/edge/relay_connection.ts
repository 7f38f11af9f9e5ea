/**
 * One half of a relayed channel: reads records where they come in, unmasks them there, puts the header of the other
 * connection in front and writes them from there. It reads on when all of that is written, so that a slow reader slows its
 * writer, and what is under way is one buffer each way.
 */
import { IDLE_SLAB_BYTES, SMALL_SLAB_BYTES } from "../driver/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { AttachClaims } from "../identity/mod.ts";
import type { ByteStream, Clock } from "../ports/mod.ts";
import {
  closeCodeOf,
  encodePaired,
  type HalfEvents,
  MAX_ATTACH_BYTES,
  type Pairing,
  reasonOf,
  type RelayHalf,
  type RelayReason,
  relayRefusal,
  type RelayRole,
} from "../relay/mod.ts";
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  RECEIVE_OVERHEAD_BYTES,
  WebSocketFraming,
} from "../wire/websocket/mod.ts";
import { RELAY_BUFFER_BYTES, type RelayBuffers } from "./relay_buffers.ts";

/** Longest record that is passed on: that of the endpoints' own record layer. */
export const MAX_RELAYED_BYTES = DEFAULT_MAX_MESSAGE_BYTES;
/** In front of what is read: room for the header of a message that was put together there. */
const HEADROOM_BYTES = 16;
/** Room for the attach record with its header, and what may come between its fragments. */
const FIRST_BUFFER_BYTES = HEADROOM_BYTES + 14 + MAX_ATTACH_BYTES + RECEIVE_OVERHEAD_BYTES;
/** Records up to this size are moved together and written at once: the system call is what costs. */
const COALESCE_BYTES = 4_096;
/** Time for goodbye in both directions. */
const LINGER_MS = 2_000;

export interface RelayConnectionOptions {
  readonly stream: ByteStream;
  readonly clock: Clock;
  readonly buffers: RelayBuffers;
  readonly pairing: Pairing<RelayConnection>;
  /** Told of each half that ends, once. */
  readonly onEnd: (connection: RelayConnection, reason: RelayReason) => void;
  readonly onPaired: (connection: RelayConnection) => void;
  /** Bytes of all records that were passed on, by the half that they came from. */
  readonly passed: Record<RelayRole, number>;
}

export class RelayConnection implements HalfEvents<RelayConnection> {
  readonly #options: RelayConnectionOptions;
  readonly #stream: ByteStream;
  #half: RelayHalf<RelayConnection> | undefined;
  /** What its token says, once its signature holds. */
  claims: AttachClaims | undefined;
  #wasSeated = false;
  #framing: WebSocketFraming | undefined;
  #buffer: Uint8Array = new Uint8Array(0);
  #start = HEADROOM_BYTES;
  #end = HEADROOM_BYTES;
  /** What came lately decides how much room there is for what comes next. */
  #recent = 0;
  #pending: Promise<void> | undefined;
  #ended = false;
  #other: RelayConnection | undefined;
  #reason: RelayReason | undefined;
  readonly #over = Promise.withResolvers<void>();
  /** Resolves when there is another half, or this one is over. */
  readonly #joined = Promise.withResolvers<void>();
  /** The relay's own record, before those of the peer. */
  #opening: Uint8Array | undefined;
  #replying: Promise<void> | undefined;
  #sending = false;
  #saidGoodbye = false;
  #stopLinger = () => {};
  #unfinishedSince = Infinity;
  readonly since: number;

  constructor(options: RelayConnectionOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.since = options.clock.now();
  }

  get remoteAddress(): string {
    return this.#stream.remoteAddress;
  }
  get half(): RelayHalf<RelayConnection> {
    return this.#half!;
  }
  set half(half: RelayHalf<RelayConnection>) {
    this.#half = half;
  }
  /** Why it is over. */
  get reason(): RelayReason | undefined {
    return this.#reason;
  }
  /** Whether the upgrade was granted: from then on refusals are close frames. */
  get isOpen(): boolean {
    return this.#framing !== undefined;
  }
  /** Whether it was half of a channel. */
  get wasSeated(): boolean {
    return this.#wasSeated;
  }
  /** Since when the record at hand is incomplete: monotonic milliseconds. Infinity: none has begun. */
  get unfinishedSince(): number {
    return this.#unfinishedSince;
  }

  onPaired(other: RelayConnection): void {
    this.#other = other;
    this.#opening = encodePaired({
      idle_timeout_seconds: this.claims!.idle_timeout,
      max_record_bytes: MAX_RELAYED_BYTES,
    });
    this.#reply(); // before the other half is read
    this.#joined.resolve();
    this.#options.onPaired(this);
  }

  onEnd(reason: RelayReason): void {
    this.#reason = reason;
    this.#other = undefined;
    const { clock, onEnd } = this.#options;
    this.#stopLinger = clock.schedule(clock.now() + LINGER_MS, () => this.#stream.close());
    onEnd(this, reason);
    this.#over.resolve();
    this.#joined.resolve();
    if (this.#framing !== undefined) this.#reply();
  }

  /** The outcome of a step of the attach, unless the half is over first. @throws PosternError as the step, or why it is over */
  async unlessOver<T>(step: Promise<T>): Promise<T> {
    step.catch(() => {}); // of one that nobody waits for any more
    const over = this.#over.promise.then((): never => {
      throw relayRefusal(this.#reason!);
    });
    over.catch(() => {});
    return await Promise.race([over, step]);
  }

  /** The upgrade is granted. @param leftover what came behind it */
  open(framing: WebSocketFraming, leftover: Uint8Array): void {
    this.#framing = framing;
    this.#buffer = new Uint8Array(Math.max(FIRST_BUFFER_BYTES, HEADROOM_BYTES + leftover.length));
    this.#buffer.set(leftover, HEADROOM_BYTES);
    this.#end = HEADROOM_BYTES + leftover.length;
    if (this.#reason !== undefined) this.#reply();
  }

  /** The first record. @throws PosternError `relay_attach_expected`, `relay_attach_invalid`, `websocket_*`, why it is over */
  async firstRecord(): Promise<Uint8Array> {
    const framing = this.#framing!;
    for (;;) {
      const result = this.#nextOf(framing);
      if (result === "message") {
        return this.#buffer.slice(framing.messageStart, framing.messageEnd);
      }
      if (result === "control") {
        this.#reply();
        continue;
      }
      if (result === "closed") throw gone();
      if (this.#end === this.#buffer.length) {
        throw relayRefusal(
          "invalid_attach",
          `Cannot attach: the first record is over ${MAX_ATTACH_BYTES} bytes`,
        );
      }
      await this.unlessOver(this.#read());
      if (this.#ended) throw gone();
    }
  }

  /** Waits for the other half and passes records on, until the end. Never throws. */
  async run(): Promise<void> {
    this.#wasSeated = true;
    try {
      await this.#waitForOther();
      while (this.#reason === undefined && !this.#ended) {
        await this.#forward();
        if (this.#reason !== undefined || this.#ended) break;
        if (this.#pending === undefined && !await this.#makeRoom()) break;
        await this.#read();
      }
      this.leave("canceled");
    } catch (error) {
      this.leave(reasonOf(error));
    }
    await this.close();
  }

  /** Ends this half, and with it the other. Without effect on one that is over. */
  leave(reason: RelayReason): void {
    this.#options.pairing.leave(this.half, reason);
  }

  /** Says goodbye, once the half is over, waits a moment for the peer to do the same, and closes. */
  async close(): Promise<void> {
    this.#reply();
    const sink = new Uint8Array(IDLE_SLAB_BYTES);
    try {
      await this.#pending;
      while (!this.#ended) this.#ended = await this.#stream.read(sink) === null;
      while (this.#replying !== undefined) await this.#replying;
    } catch {
      // Broken off: there is nobody to be polite to.
    }
    this.#stopLinger();
    this.#stream.close();
    this.#giveBuffer();
  }

  /** Until then what comes is left where it is, as soon as there is no room for it here. */
  async #waitForOther(): Promise<void> {
    while (this.#other === undefined && this.#reason === undefined && !this.#ended) {
      if (this.#end === this.#buffer.length) await this.#joined.promise;
      else await Promise.race([this.#read(), this.#joined.promise]);
    }
  }

  /** Reads once, behind what is held; a read that is under way is waited for. */
  #read(): Promise<void> {
    return this.#pending ??= this.#readOnce().finally(() => this.#pending = undefined);
  }

  async #readOnce(): Promise<void> {
    const room = this.#buffer.length - this.#end;
    const read = await this.#stream.read(this.#buffer.subarray(this.#end));
    if (read === null) {
      this.#ended = true;
      return;
    }
    this.#end += read;
    // A full read may have been cut short by its buffer: it counts as one that fits the next larger one.
    this.#recent = Math.max(read === room ? read + 1 : read, this.#recent >>> 1);
  }

  #nextOf(framing: WebSocketFraming): ReturnType<WebSocketFraming["next"]> {
    const result = framing.next(this.#buffer, this.#start, this.#end);
    this.#start = framing.nextStart;
    return result;
  }

  /** Passes on all whole records that are held. */
  async #forward(): Promise<void> {
    const framing = this.#framing!;
    const { pairing, clock } = this.#options;
    const other = this.#other;
    if (other === undefined) return;
    const { headerBytes } = other.#framing!;
    let from = 0;
    let to = 0; // wire bytes that are ready, when above 0
    let violation: unknown;
    for (;;) {
      let result: ReturnType<WebSocketFraming["next"]>;
      try {
        result = this.#nextOf(framing);
      } catch (error) {
        violation = error;
        break;
      }
      if (result === "incomplete") break;
      if (result === "control") {
        this.#reply();
        continue;
      }
      if (result === "closed") {
        this.#ended = true;
        break;
      }
      const { messageStart, messageEnd } = framing;
      const bytes = messageEnd - messageStart;
      this.#unfinishedSince = Infinity;
      if (!pairing.pass(this.half, bytes, clock.now())) return;
      this.#options.passed[this.half.role!] += bytes;
      const joins = to > 0 && bytes <= COALESCE_BYTES && to + headerBytes <= messageStart;
      if (joins) this.#buffer.copyWithin(to + headerBytes, messageStart, messageEnd);
      else {
        if (to > 0) await this.#sendTo(other, from, to);
        if (this.#reason !== undefined) return;
        from = messageStart - headerBytes;
      }
      const start = joins ? to + headerBytes : messageStart;
      to = other.#framing!.frame(this.#buffer, start, start + bytes);
    }
    if (to > 0) await this.#sendTo(other, from, to);
    if (violation !== undefined) throw violation;
    this.#unfinishedSince = this.#start === this.#end
      ? Infinity
      : Math.min(this.#unfinishedSince, clock.now());
  }

  async #sendTo(other: RelayConnection, from: number, to: number): Promise<void> {
    try {
      await other.#send(this.#buffer, from, to);
    } catch {
      other.leave("canceled");
    }
  }

  async #send(buffer: Uint8Array, start: number, end: number): Promise<void> {
    while (this.#replying !== undefined) await this.#replying;
    if (this.#reason !== undefined) throw gone();
    this.#sending = true;
    try {
      for (let at = start; at < end;) at += await this.#stream.write(buffer.subarray(at, end));
    } finally {
      this.#sending = false;
      this.#reply();
    }
  }

  /** Writes what the relay itself has to say on this connection, as soon as no record is being written. */
  #reply(): void {
    if (this.#sending || this.#replying !== undefined || this.#framing === undefined) return;
    const bytes = this.#nextReply();
    if (bytes === null) return;
    this.#replying = this.#writeReplies(bytes).catch(() => {}).then(() => {
      this.#replying = undefined;
      this.#reply(); // what came up in the meantime
    });
  }

  async #writeReplies(first: Uint8Array): Promise<void> {
    for (let bytes: Uint8Array | null = first; bytes !== null; bytes = this.#nextReply()) {
      for (let at = 0; at < bytes.length;) at += await this.#stream.write(bytes.subarray(at));
      if (this.#saidGoodbye) return await this.#stream.closeWrite();
    }
  }

  #nextReply(): Uint8Array | null {
    if (this.#saidGoodbye) return null;
    if (this.#reason !== undefined) {
      this.#saidGoodbye = true;
      return this.#goodbye(this.#reason);
    }
    const opening = this.#opening;
    if (opening === undefined) return this.#framing!.takeReply();
    this.#opening = undefined;
    const frame = new Uint8Array(HEADROOM_BYTES + opening.length);
    frame.set(opening, HEADROOM_BYTES);
    const { headerBytes } = this.#framing!;
    const end = this.#framing!.frame(frame, HEADROOM_BYTES, frame.length);
    return frame.subarray(HEADROOM_BYTES - headerBytes, end);
  }

  /** The echo of the peer's own close, or our reason: the framing's word for a violation is another one. */
  #goodbye(reason: RelayReason): Uint8Array {
    if (this.#framing!.peerClose !== null) return this.#framing!.closing(1000, "");
    return WebSocketFraming.server().closing(closeCodeOf(reason), reason);
  }

  /** Room for what comes next. False: the half is over. */
  async #makeRoom(): Promise<boolean> {
    const held = this.#end - this.#start;
    if (held === 0) {
      const bytes = bytesFor(this.#recent);
      if (bytes !== this.#buffer.length && !await this.#swap(bytes)) return false;
      this.#start = this.#end = HEADROOM_BYTES;
      return true;
    }
    const room = this.#buffer.length - this.#end;
    if (room > this.#buffer.length / 4 || room > 0 && this.#start === HEADROOM_BYTES) return true;
    if (this.#start > HEADROOM_BYTES) {
      this.#buffer.copyWithin(HEADROOM_BYTES, this.#start, this.#end);
      this.#start = HEADROOM_BYTES;
      this.#end = HEADROOM_BYTES + held;
      return true;
    }
    return await this.#swap(this.#buffer.length < SMALL_SLAB_BYTES ? SMALL_SLAB_BYTES : RELAY_BUFFER_BYTES);
  }

  /** Goes on in another buffer, with what is held. */
  async #swap(bytes: number): Promise<boolean> {
    const { buffers } = this.#options;
    const fresh = bytes === RELAY_BUFFER_BYTES
      ? await buffers.take(this.claims!.tenant, this.#over.promise)
      : bytes === SMALL_SLAB_BYTES
      ? buffers.slabs.small()
      : buffers.slabs.idle();
    if (fresh === undefined) return false;
    fresh.set(this.#buffer.subarray(this.#start, this.#end), HEADROOM_BYTES);
    this.#end = HEADROOM_BYTES + this.#end - this.#start;
    this.#start = HEADROOM_BYTES;
    this.#giveBuffer();
    this.#buffer = fresh;
    return true;
  }

  #giveBuffer(): void {
    const { buffers } = this.#options;
    const { length } = this.#buffer;
    if (length === RELAY_BUFFER_BYTES) buffers.give(this.claims!.tenant, this.#buffer);
    else if (length === SMALL_SLAB_BYTES || length === IDLE_SLAB_BYTES) buffers.slabs.give(this.#buffer);
    this.#buffer = new Uint8Array(0);
  }
}

/** The buffer to wait in: never a large one, which others could need before anything comes. */
function bytesFor(recent: number): number {
  return recent + HEADROOM_BYTES <= IDLE_SLAB_BYTES ? IDLE_SLAB_BYTES : SMALL_SLAB_BYTES;
}

function gone(): PosternError {
  return new PosternError("connection_closed", "Cannot pass record on: the connection is over");
}
