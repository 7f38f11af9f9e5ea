/** Small writes over one connection: where Nagle, delayed acknowledgements and timers show. */
import { ECHO, SMALL_BYTES, TWICE } from "../lab/protocol.ts";
import { Connections, readFull, type Target, writeAll } from "./connection.ts";
import { percentile } from "./statistics.ts";

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One write, one echo. */
export function roundTrip(target: Target, durationMs: number): Promise<Latency> {
  const out = new Uint8Array(SMALL_BYTES);
  const back = new Uint8Array(SMALL_BYTES);
  return repeat(target, ECHO, durationMs, async (conn) => {
    await writeAll(conn, out);
    await readFull(conn, back);
  });
}

/** Two small writes one after the other by the client; both echoes are awaited. */
export function twoWritesUp(target: Target, durationMs: number): Promise<Latency> {
  const out = new Uint8Array(SMALL_BYTES);
  const back = new Uint8Array(2 * SMALL_BYTES);
  return repeat(target, ECHO, durationMs, async (conn) => {
    await writeAll(conn, out);
    await writeAll(conn, out);
    await readFull(conn, back);
  });
}

/** One byte up, two small writes one after the other by the origin. */
export function twoWritesDown(target: Target, durationMs: number): Promise<Latency> {
  const out = new Uint8Array(1);
  const back = new Uint8Array(2 * SMALL_BYTES);
  return repeat(target, TWICE, durationMs, async (conn) => {
    await writeAll(conn, out);
    await readFull(conn, back);
  });
}

/** Exchanges before counting: the first ones meet cold code and a stream that is still being opened. */
const WARM_UP = 50;

async function repeat(
  target: Target,
  firstByte: number,
  durationMs: number,
  exchange: (conn: Deno.Conn) => Promise<void>,
): Promise<Latency> {
  using connections = new Connections(durationMs);
  const conn = await connections.open(target, firstByte);
  for (let i = 0; i < WARM_UP; i++) await exchange(conn);
  const samples: number[] = [];
  const untilMs = performance.now() + durationMs;
  for (let before = performance.now(); before < untilMs;) {
    await exchange(conn);
    const after = performance.now();
    samples.push(after - before);
    before = after;
  }
  return { p50Ms: percentile(samples, 0.5), p99Ms: percentile(samples, 0.99) };
}
