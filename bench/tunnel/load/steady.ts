/** Throughput of one stream after its windows have grown: what comes in a measured time, the ramp left out. */
import { BLOCK_BYTES, LAST, MORE, SINK, SOURCE } from "../lab/protocol.ts";
import type { Direction } from "./bulk.ts";
import { Connections, readFull, type Target, writeAll } from "./connection.ts";

/** How much the origin had received when its answer came back. */
interface Mark {
  readonly bytes: number;
  readonly atMs: number;
}

/** Gbit/s of payload after `rampMs`. */
export async function steady(
  target: Target,
  direction: Direction,
  rampMs: number,
  durationMs: number,
): Promise<number> {
  using connections = new Connections(rampMs + durationMs);
  const conn = await connections.open(target, direction === "up" ? SINK : SOURCE);
  const untilMs = performance.now() + rampMs;
  const [from, to] = direction === "up"
    ? await sent(conn, untilMs, untilMs + durationMs)
    : await received(conn, untilMs, untilMs + durationMs);
  return (to.bytes - from.bytes) * 8 / (to.atMs - from.atMs) / 1e6;
}

/** The origin confirms at both ends of the time: what waits in buffers between is left out at both. */
async function sent(conn: Deno.Conn, rampedMs: number, untilMs: number): Promise<[Mark, Mark]> {
  const block = new Uint8Array(BLOCK_BYTES).fill(0x61);
  const phase = async (endMs: number) => {
    block[0] = MORE;
    while (performance.now() < endMs) await writeAll(conn, block);
    block[0] = LAST;
    await writeAll(conn, block);
  };
  const marks = (async () => [await mark(conn), await mark(conn)] as [Mark, Mark])();
  // A connection that ends is told by the reader as well: one of both is enough.
  marks.catch(() => {});
  await phase(rampedMs);
  await phase(untilMs);
  return await marks;
}

async function mark(conn: Deno.Conn): Promise<Mark> {
  const answer = new Uint8Array(8);
  await readFull(conn, answer);
  return { bytes: Number(new DataView(answer.buffer).getBigUint64(0)), atMs: performance.now() };
}

async function received(conn: Deno.Conn, rampedMs: number, untilMs: number): Promise<[Mark, Mark]> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  let bytes = 0;
  const until = async (endMs: number): Promise<Mark> => {
    for (let atMs = 0; atMs < endMs; atMs = performance.now()) {
      const read = await conn.read(buffer);
      if (read === null) throw new Error("the origin's bytes ended early");
      bytes += read;
    }
    return { bytes, atMs: performance.now() };
  };
  return [await until(rampedMs), await until(untilMs)];
}
