/** One measurement of one tunnel: a cell of the table, or a few that come from the same load. */
import { bulk, type Direction } from "./load/bulk.ts";
import { connectRate, withIdle } from "./load/connects.ts";
import { type HttpTarget, requests } from "./load/requests.ts";
import { type Latency, roundTrip, twoWritesDown, twoWritesUp } from "./load/round_trip.ts";
import type { Tunnel } from "./peers/mod.ts";
import { processorMs, residentMiB } from "./processes.ts";

/** Values by metric id. */
export type Values = Record<string, number>;

export interface Cell {
  /** As typed after `--only`; a prefix of its metrics. */
  readonly name: string;
  /** `rounds`: in every round, medians are told. `first`: before any load. `last`: after all of it. */
  readonly when: "first" | "rounds" | "last";
  run(tunnel: Tunnel, durationMs: number): Promise<Values>;
}

/** Connections that are open at once in the idle cell. */
const IDLE_STREAMS = 1_000;
/** Time for memory to come to rest. */
const SETTLE_MS = 1_000;

const bulkCell = (direction: Direction, streams: number): Cell => ({
  name: `bulk.${direction}.${streams}`,
  when: "rounds",
  run: async ({ lab }, durationMs) => ({
    [`bulk.${direction}.${streams}`]: await bulk(lab, direction, streams, durationMs),
  }),
});

const requestCell = (mode: "tcp" | "http", connections: number): Cell => ({
  name: `${mode}.c${connections}`,
  when: "rounds",
  async run(tunnel, durationMs) {
    const target: HttpTarget = mode === "http" ? tunnel.http ?? tunnel.tcpHttp : tunnel.tcpHttp;
    const before = await processorTotalMs(tunnel);
    const load = await requests(target, connections, durationMs);
    const busyMs = await processorTotalMs(tunnel) - before;
    const id = `${mode}.c${connections}`;
    return {
      [`${id}.rate`]: load.perSecond,
      [`${id}.p50`]: load.p50Ms,
      [`${id}.p99`]: load.p99Ms,
      ...(connections > 1 && busyMs > 0 && { [`${mode}.cpu`]: busyMs * 1000 / load.requests }),
    };
  },
});

const latencyCell = (
  id: string,
  run: (lab: Tunnel["lab"], durationMs: number) => Promise<Latency>,
): Cell => ({
  name: id,
  when: "rounds",
  async run({ lab }, durationMs) {
    const { p50Ms, p99Ms } = await run(lab, Math.min(durationMs, 2_000));
    return { [`${id}.p50`]: p50Ms, [`${id}.p99`]: p99Ms };
  },
});

export const CELLS: readonly Cell[] = [
  { name: "rss.idle", when: "first", run: (tunnel) => resident(tunnel, "rss.idle") },
  {
    name: "rss.streams",
    when: "first",
    run: (tunnel) => withIdle(tunnel.lab, IDLE_STREAMS, SETTLE_MS, () => resident(tunnel, "rss.streams")),
  },
  bulkCell("up", 1),
  bulkCell("down", 1),
  bulkCell("up", 8),
  bulkCell("down", 8),
  requestCell("tcp", 1),
  requestCell("tcp", 48),
  requestCell("http", 1),
  requestCell("http", 48),
  {
    name: "connect",
    when: "rounds",
    run: async ({ lab }, durationMs) => ({ "connect.rate": await connectRate(lab, durationMs) }),
  },
  latencyCell("echo", roundTrip),
  latencyCell("two_writes.up", twoWritesUp),
  latencyCell("two_writes.down", twoWritesDown),
  { name: "rss.after", when: "last", run: (tunnel) => resident(tunnel, "rss.after") },
];

/** Memory of each process; nothing for what has none. */
async function resident({ processes }: Tunnel, id: string): Promise<Values> {
  const values: Values = {};
  for (const [role, pid] of Object.entries(processes)) values[`${id}.${role}`] = await residentMiB(pid);
  return values;
}

async function processorTotalMs({ processes }: Tunnel): Promise<number> {
  let total = 0;
  for (const pid of Object.values(processes)) total += await processorMs(pid);
  return total;
}
