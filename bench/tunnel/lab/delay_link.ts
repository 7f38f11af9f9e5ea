/**
 * A link with a delay and a bandwidth, in user space: a TCP proxy that hands bytes on later. Both directions have the
 * bandwidth for themselves; all connections of one link share it. Memory is bounded: what is on its way (bandwidth
 * times delay) and a short queue; a sender that is faster waits.
 *
 * It acknowledges to both sides at once, so it shows what the windows of a tunnel allow, not those of the kernel.
 */
import { Flight, Line, MAX_QUEUE_MS, READ_BYTES, TIMER_MS } from "./flight.ts";

export interface LinkOptions {
  /** One way, in milliseconds: half the round trip. */
  readonly delayMs: number;
  /** Bits a second of payload in each direction; 0 is without a limit. */
  readonly bitsPerSecond: number;
}

/** Bytes on their way when the bandwidth sets no limit. */
const UNLIMITED_BYTES = 32 * 1_048_576;
/** Connections at the same time; each has two buffers. */
const MAX_CONNECTIONS = 256;

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
