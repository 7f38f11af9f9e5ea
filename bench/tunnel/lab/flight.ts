/** What is on a link: when bytes leave the sender, and which of them are due. Times are arguments, in milliseconds. */

/** What a router in between would queue before it tells the sender to wait. */
export const MAX_QUEUE_MS = 10;
/** One read: half a millisecond of 1 Gbit/s. */
export const READ_BYTES = 65_536;
/** One write. */
const WRITE_BYTES = 262_144;
/** Less than that is not worth a timer, which has a millisecond. */
export const TIMER_MS = 0.5;

/** One direction of a link: when its bytes have left the sender. */
export class Line {
  readonly #bytesPerMs: number;
  #freeAtMs = 0;

  constructor(bitsPerSecond: number) {
    this.#bytesPerMs = bitsPerSecond === 0 ? Infinity : bitsPerSecond / 8_000;
  }

  /** Time at which the last of `bytes` is on its way. */
  send(bytes: number, nowMs: number): number {
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / this.#bytesPerMs;
    return this.#freeAtMs;
  }

  /** How long a sender waits before it may offer more. */
  waitMs(nowMs: number): number {
    return this.#freeAtMs - nowMs - MAX_QUEUE_MS;
  }
}

/** Bytes on their way between two sockets: a ring that the reader fills and the writer empties. */
export class Flight {
  readonly #ring: Uint8Array<ArrayBuffer>;
  readonly #sent: { bytes: number; dueMs: number }[] = [];
  #filled = 0;
  #read = 0;
  #written = 0;
  #ended = false;
  #wake: (() => void)[] = [];

  constructor(bytes: number) {
    this.#ring = new Uint8Array(bytes);
  }

  /** Where to read into; empty while the ring is full. */
  space(): Uint8Array<ArrayBuffer> {
    const at = this.#read % this.#ring.length;
    const free = Math.min(this.#ring.length - this.#filled, this.#ring.length - at, READ_BYTES);
    return this.#ring.subarray(at, at + free);
  }

  add(bytes: number, dueMs: number): void {
    this.#sent.push({ bytes, dueMs });
    this.#read += bytes;
    this.#filled += bytes;
    this.#changed();
  }

  end(dueMs: number): void {
    this.#ended = true;
    this.#sent.push({ bytes: 0, dueMs });
    this.#changed();
  }

  /** When the oldest bytes are due; undefined while there are none. */
  get dueMs(): number | undefined {
    return this.#sent[0]?.dueMs;
  }

  get hasEnded(): boolean {
    return this.#ended && this.#filled === 0;
  }

  /** What is due by now, in one piece. */
  due(nowMs: number): Uint8Array {
    const at = this.#written % this.#ring.length;
    let bytes = 0;
    for (const part of this.#sent) {
      if (part.dueMs > nowMs + TIMER_MS || at + bytes + part.bytes > this.#ring.length) break;
      if (bytes + part.bytes > WRITE_BYTES) break;
      bytes += part.bytes;
    }
    return this.#ring.subarray(at, at + bytes);
  }

  /** The piece was written. */
  take(bytes: number): void {
    for (let left = bytes; left > 0;) left -= this.#sent.shift()!.bytes;
    this.#written += bytes;
    this.#filled -= bytes;
    this.#changed();
  }

  /** Until something was added or taken. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
