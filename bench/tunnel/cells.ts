/** One measurement of one tunnel: a cell of the table, or a few that come from the same load. */
import { bulk, type Direction } from "./load/bulk.ts";
import { connectRate, IdleConnections } from "./load/connects.ts";
import { h2Requests, hasH2load } from "./load/h2_requests.ts";
import { requests, requestTool } from "./load/requests.ts";
import { type Latency, roundTrip, twoWritesDown, twoWritesUp } from "./load/round_trip.ts";
import { steady } from "./load/steady.ts";
import type { Target } from "./load/connection.ts";
import type { Processes, Tunnel } from "./peers/peer.ts";
import { processorMs, residentMiB } from "./processes.ts";

/** Values by metric id. */
export type Values = Record<string, number>;

export interface Cell {
  /** As typed after `--only`; a prefix of its metrics. */
  readonly name: string;
  /**
   * `memory`: before any load, each tunnel started for itself. `rounds`: in every round, with all tunnels standing;
   * medians are told. `last`: after all that. `link`: in every round, each tunnel started over a link with a delay.
   */
  readonly when: "memory" | "rounds" | "last" | "link";
  /** Round trip of the link. */
  readonly rttMs?: number;
  /**
   * Undefined for a tunnel that does not carry it: the cell is then left out. `maxStreams`: connections at once for
   * which its processes may open enough files.
   */
  run(tunnel: Tunnel, durationMs: number, maxStreams?: number): Promise<Values> | undefined;
}

/** Connections at once. */
const LEVELS: readonly number[] = [1, 48, 256];
/** The level whose processor time is counted. */
const CPU_LEVEL = 48;
/** Idle connections: some, and many. */
const IDLE_STREAMS = 1_000;
export const MANY_IDLE_STREAMS = 10_000;
/** Time for memory to come to rest. */
const SETTLE_MS = 1_000;
/** Round trips of the curve. */
export const ROUND_TRIPS_MS: readonly number[] = [0, 20, 50, 100];
/** What the link of the curve carries in each direction. */
export const LINK_BITS_PER_SECOND = 1e9;
/** Time in which windows grow before the curve counts. */
const RAMP_MS = 3_000;

const labCell = (
  name: string,
  run: (lab: Target, durationMs: number) => Promise<Values>,
): Cell => ({
  name,
  when: "rounds",
  run: ({ lab }, durationMs) => lab === undefined ? undefined : run(lab, durationMs),
});

const bulkCell = (direction: Direction, streams: number): Cell => {
  const id = `bulk.${direction}.${streams}`;
  return labCell(id, async (lab, durationMs) => ({ [id]: await bulk(lab, direction, streams, durationMs) }));
};

type Mode = "tcp" | "http" | "https";

const targetOf = (mode: Mode, { tcpHttp, http, https }: Tunnel) => {
  if (mode === "tcp") return tcpHttp;
  // Where a tunnel does not route by name, a port of its own is what its users have instead.
  return mode === "http" ? http ?? tcpHttp : https;
};

const requestCell = (mode: Mode, connections: number): Cell => {
  const id = `${mode}.c${connections}`;
  return {
    name: id,
    when: "rounds",
    run(tunnel, durationMs) {
      const target = targetOf(mode, tunnel);
      if (target === undefined || mode === "https" && requestTool !== "wrk") return undefined;
      return (async () => {
        const before = await processorTotalMs(tunnel.processes);
        const load = await requests(target, connections, durationMs);
        const busyMs = await processorTotalMs(tunnel.processes) - before;
        return {
          [`${id}.rate`]: load.perSecond,
          [`${id}.p50`]: load.p50Ms,
          [`${id}.p99`]: load.p99Ms,
          ...(connections === CPU_LEVEL && busyMs > 0 && { [`${mode}.cpu`]: busyMs * 1000 / load.requests }),
        };
      })();
    },
  };
};

const h2Cell = (name: string, connections: number, streams: number): Cell => ({
  name: `h2.${name}`,
  when: "rounds",
  run({ https }, durationMs) {
    if (https === undefined || !hasH2load) return undefined;
    return (async (): Promise<Values> => {
      const load = await h2Requests(https, { connections, streams }, durationMs);
      if (load === undefined) return {};
      const id = `h2.${name}`;
      return { [`${id}.rate`]: load.perSecond, [`${id}.p50`]: load.p50Ms, [`${id}.p99`]: load.p99Ms };
    })();
  },
});

const latencyCell = (id: string, run: (lab: Target, durationMs: number) => Promise<Latency>): Cell =>
  labCell(id, async (lab, durationMs) => {
    const { p50Ms, p99Ms } = await run(lab, Math.min(durationMs, 2_000));
    return { [`${id}.p50`]: p50Ms, [`${id}.p99`]: p99Ms };
  });

/** Memory with idle streams, and what a further one of many costs. */
const idleCell: Cell = {
  name: "rss.streams",
  when: "memory",
  run({ lab, processes }, _durationMs, maxStreams = MANY_IDLE_STREAMS) {
    if (lab === undefined || Object.keys(processes).length === 0) return undefined;
    return (async () => {
      using idle = new IdleConnections(lab);
      await idle.grow(IDLE_STREAMS, SETTLE_MS);
      const some = await resident(processes, "rss.streams");
      const count = Math.min(MANY_IDLE_STREAMS, maxStreams);
      await idle.grow(count, SETTLE_MS);
      const many = await resident(processes, "rss.streams10k");
      const values: Values = { ...some, ...(count === MANY_IDLE_STREAMS && many) };
      for (const role of Object.keys(processes)) {
        const growthMiB = many[`rss.streams10k.${role}`] - some[`rss.streams.${role}`];
        values[`rss.stream.${role}`] = growthMiB * 1024 / (count - IDLE_STREAMS);
      }
      return values;
    })();
  },
};

const linkCell = (rttMs: number): Cell => ({
  name: `rtt.${rttMs}`,
  when: "link",
  rttMs,
  run({ lab, tcpHttp }, durationMs) {
    if (lab === undefined || tcpHttp === undefined) return undefined;
    return (async () => {
      const up = await steady(lab, "up", RAMP_MS, durationMs);
      const down = await steady(lab, "down", RAMP_MS, durationMs);
      // Some of the last transfer may still be under way: that is not to be in the latency.
      await new Promise((resolve) => setTimeout(resolve, 2 * rttMs + 100));
      const { p50Ms } = await requests(tcpHttp, 1, durationMs);
      return { [`rtt.${rttMs}.up`]: up, [`rtt.${rttMs}.down`]: down, [`rtt.${rttMs}.p50`]: p50Ms };
    })();
  },
});

const memory = (name: string, when: Cell["when"]): Cell => ({
  name,
  when,
  run: ({ processes }) => Object.keys(processes).length === 0 ? undefined : resident(processes, name),
});

export const CELLS: readonly Cell[] = [
  memory("rss.idle", "memory"),
  idleCell,
  bulkCell("up", 1),
  bulkCell("down", 1),
  bulkCell("up", 8),
  bulkCell("down", 8),
  ...(["tcp", "http", "https"] as const).flatMap((mode) => LEVELS.map((level) => requestCell(mode, level))),
  h2Cell("c1", 1, 1),
  h2Cell("c48", 48, 1),
  h2Cell("m48", 1, 48),
  labCell("connect", async (lab, durationMs) => ({ "connect.rate": await connectRate(lab, durationMs) })),
  latencyCell("echo", roundTrip),
  latencyCell("two_writes.up", twoWritesUp),
  latencyCell("two_writes.down", twoWritesDown),
  memory("rss.after", "last"),
  ...ROUND_TRIPS_MS.map(linkCell),
];

/** Whether `--only` takes this cell; without any prefix it takes all. */
export function isChosen({ name }: Cell, only: readonly string[]): boolean {
  return only.length === 0 || only.some((prefix) => name.startsWith(prefix));
}

/** Memory of the processes of each role. */
async function resident(processes: Processes, id: string): Promise<Values> {
  const values: Values = {};
  for (const [role, pids] of Object.entries(processes) as [string, readonly number[]][]) {
    const parts = await Promise.all(pids.map(residentMiB));
    values[`${id}.${role}`] = parts.reduce((sum, part) => sum + part, 0);
  }
  return values;
}

async function processorTotalMs(processes: Processes): Promise<number> {
  const pids = Object.values(processes).flat();
  const parts = await Promise.all(pids.map(processorMs));
  return parts.reduce((sum, part) => sum + part, 0);
}
