/** Throughput over raw connections, in bits a second of payload that has arrived. */
import { BLOCK_BYTES, LAST, MORE, SINK, SOURCE } from "../lab/protocol.ts";
import { Connections, readFull, type Target, writeAll } from "./connection.ts";

export type Direction = "up" | "down";

/** Gbit/s from client to origin (up) or back (down) over `streams` connections. */
export async function bulk(
  target: Target,
  direction: Direction,
  streams: number,
  durationMs: number,
): Promise<number> {
  using connections = new Connections(durationMs);
  const conns = await Promise.all(
    Array.from({ length: streams }, () => connections.open(target, direction === "up" ? SINK : SOURCE)),
  );
  const startedAt = performance.now();
  const run = direction === "up" ? send : receive;
  const bytes = await Promise.all(conns.map((conn) => run(conn, startedAt + durationMs)));
  const elapsedMs = performance.now() - startedAt;
  return bytes.reduce((sum, part) => sum + part, 0) * 8 / elapsedMs / 1e6;
}

async function send(conn: Deno.Conn, untilMs: number): Promise<number> {
  const block = new Uint8Array(BLOCK_BYTES).fill(0x61);
  block[0] = MORE;
  while (performance.now() < untilMs) await writeAll(conn, block);
  block[0] = LAST;
  await writeAll(conn, block);
  const answer = new Uint8Array(8);
  await readFull(conn, answer);
  return Number(new DataView(answer.buffer).getBigUint64(0));
}

async function receive(conn: Deno.Conn, untilMs: number): Promise<number> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  let bytes = 0;
  while (performance.now() < untilMs) {
    const read = await conn.read(buffer);
    if (read === null) throw new Error("the origin's bytes ended early");
    bytes += read;
  }
  return bytes;
}
