/** New connections: how many a second, and many that then do nothing. */
import { ECHO } from "../lab/protocol.ts";
import { Connections, readFull, type Target, writeAll } from "./connection.ts";

/** Connections that are made side by side. */
const WORKERS = 8;
/** Most connections of one cell: closed ones keep their ports for a while. */
const MAX_CONNECTS = 6_000;

/** Connections a second: each is opened, has one byte echoed, and is closed. */
export async function connectRate(target: Target, durationMs: number): Promise<number> {
  using connections = new Connections(durationMs);
  const startedAt = performance.now();
  let made = 0;
  const work = async () => {
    while (made < MAX_CONNECTS && performance.now() < startedAt + durationMs) {
      made++;
      await openEchoed(connections, target);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return made / (performance.now() - startedAt) * 1000;
}

/** Opens `count` connections, has a byte echoed on each, keeps them idle for `settleMs`, and then calls `look`. */
export async function withIdle<T>(
  target: Target,
  count: number,
  settleMs: number,
  look: () => Promise<T>,
): Promise<T> {
  using connections = new Connections(settleMs + count * 5);
  for (let open = 0; open < count; open += WORKERS) {
    const some = Math.min(WORKERS, count - open);
    await Promise.all(Array.from({ length: some }, () => openEchoed(connections, target, true)));
  }
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  return await look();
}

async function openEchoed(connections: Connections, target: Target, keep = false): Promise<void> {
  const conn = await connections.open(target);
  await writeAll(conn, Uint8Array.of(ECHO, 0x61));
  await readFull(conn, new Uint8Array(1));
  if (!keep) connections.close(conn);
}
