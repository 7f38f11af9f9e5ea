/**
 * A link with a delay and a bandwidth, in user space: a TCP proxy that hands bytes on later. Both directions have the
 * bandwidth for themselves; all connections of one link share it. Memory is bounded: what is on its way (bandwidth
 * times delay) and a short queue; a sender that is faster waits.
 *
 * It acknowledges to both sides at once, so it shows what the windows of a tunnel allow, not those of the kernel.
 */

export interface LinkOptions {
  /** One way, in milliseconds: half the round trip. */
  readonly delayMs: number;
  /** Bits a second of payload in each direction; 0 is without a limit. */
  readonly bitsPerSecond: number;
}

/** What a router in between would queue before it tells the sender to wait. */
const MAX_QUEUE_MS = 10;
/** One read: half a millisecond of 1 Gbit/s. */
const READ_BYTES = 65_536;
/** One write. */
const WRITE_BYTES = 262_144;
/** Bytes on their way when the bandwidth sets no limit. */
const UNLIMITED_BYTES = 32 * 1_048_576;
/** Less than that is not worth a timer, which has a millisecond. */
const TIMER_MS = 0.5;
/** Connections at the same time; each has two buffers. */
const MAX_CONNECTIONS = 256;

/** One direction of a link: when its bytes have left the sender. */
class Line {
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
class Flight {
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

/** A listener on loopback whose connections reach `target` over the link. Ends with its scope. */
export class DelayLink implements Disposable {
  readonly port: number;
  readonly hostname: string;
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  readonly #options: LinkOptions;
  readonly #up: Line;
  readonly #down: Line;
  readonly #open = new Set<Deno.TcpConn>();

  constructor(listen: Deno.TcpListenOptions, target: Deno.ConnectOptions, options: LinkOptions) {
    this.#listener = Deno.listen(listen);
    ({ port: this.port, hostname: this.hostname } = this.#listener.addr);
    this.#target = target;
    this.#options = options;
    this.#up = new Line(options.bitsPerSecond);
    this.#down = new Line(options.bitsPerSecond);
    this.#accept();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.#open) conn.close();
    this.#open.clear();
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      if (this.#open.size >= 2 * MAX_CONNECTIONS) conn.close();
      else this.#carry(conn);
    }
  }

  /** As TCP would: the first packet arrives half a round trip later, and the client may send after a whole one. */
  async #carry(client: Deno.TcpConn): Promise<void> {
    const { delayMs } = this.#options;
    client.setNoDelay(true);
    this.#open.add(client);
    let server: Deno.TcpConn | undefined;
    try {
      if (delayMs > 0) await sleep(delayMs);
      server = await Deno.connect(this.#target);
      server.setNoDelay(true);
      this.#open.add(server);
      const down = this.#move(server, client, this.#down);
      const up = sleep(delayMs).then(() => this.#move(client, server!, this.#up));
      await Promise.all([up, down]);
    } catch {
      // One of both went away: the other one follows.
    } finally {
      for (const conn of [client, server]) if (conn !== undefined && this.#open.delete(conn)) conn.close();
    }
  }

  async #move(from: Deno.TcpConn, to: Deno.TcpConn, line: Line): Promise<void> {
    const { bitsPerSecond, delayMs } = this.#options;
    const bytes = bitsPerSecond === 0
      ? UNLIMITED_BYTES
      : Math.ceil(bitsPerSecond / 8_000 * (delayMs + MAX_QUEUE_MS)) + 4 * READ_BYTES;
    const flight = new Flight(bytes);
    await Promise.all([this.#fill(from, flight, line), empty(flight, to)]);
  }

  async #fill(from: Deno.TcpConn, flight: Flight, line: Line): Promise<void> {
    const { delayMs } = this.#options;
    for (;;) {
      const waitMs = line.waitMs(performance.now());
      if (waitMs > 0) await sleep(waitMs);
      const space = flight.space();
      if (space.length === 0) {
        await flight.change();
        continue;
      }
      const read = await from.read(space);
      const nowMs = performance.now();
      if (read === null) return flight.end(line.send(0, nowMs) + delayMs);
      flight.add(read, line.send(read, nowMs) + delayMs);
    }
  }
}

async function empty(flight: Flight, to: Deno.TcpConn): Promise<void> {
  for (;;) {
    const { dueMs } = flight;
    if (dueMs === undefined) {
      await flight.change();
      continue;
    }
    const waitMs = dueMs - performance.now();
    if (waitMs > TIMER_MS) {
      // A timer comes up to a millisecond late, and that on both ways of a round trip.
      await sleep(waitMs - 1);
      continue;
    }
    if (flight.hasEnded) return await to.closeWrite();
    const piece = flight.due(performance.now());
    for (let at = 0; at < piece.length;) at += await to.write(piece.subarray(at));
    flight.take(piece.length);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.round(ms))));
}
