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

/** Longest time for opening one of them: slow tunnels need some milliseconds. */
const OPEN_MS = 15;

/** Connections that have had one byte echoed and then do nothing. They end with their scope. */
export class IdleConnections implements Disposable {
  readonly #target: Target;
  readonly #batches: Connections[] = [];
  #open = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Opens some until there are `count`, and waits `settleMs`. */
  async grow(count: number, settleMs: number): Promise<void> {
    const batch = new Connections(settleMs + (count - this.#open) * OPEN_MS);
    this.#batches.push(batch);
    while (this.#open < count) {
      const some = Math.min(WORKERS, count - this.#open);
      await Promise.all(Array.from({ length: some }, () => openEchoed(batch, this.#target, true)));
      this.#open += some;
    }
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    batch.keep();
  }

  [Symbol.dispose](): void {
    for (const batch of this.#batches) batch[Symbol.dispose]();
  }
}

async function openEchoed(connections: Connections, target: Target, keep = false): Promise<void> {
  const conn = await connections.open(target);
  await writeAll(conn, Uint8Array.of(ECHO, 0x61));
  await readFull(conn, new Uint8Array(1));
  if (!keep) connections.close(conn);
}
