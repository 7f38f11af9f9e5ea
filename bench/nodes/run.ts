/** One run: nodes that renew at a control, and what that cost it. */
import { percentile } from "../tunnel/load/statistics.ts";
import { Counts } from "./counts.ts";
import { type ControlAddress, Fleet } from "./fleet.ts";

export interface MeasuredControl extends ControlAddress {
  /** Processor time so far, milliseconds; undefined where it has no process of its own. */
  readonly processorMs?: () => Promise<number>;
  /** Page of its metrics. */
  readonly metrics: () => Promise<string>;
}

export interface Result {
  readonly nodes: number;
  readonly seconds: number;
  readonly online: number;
  readonly enrollSeconds: number;
  readonly renewals: number;
  /** Certificates that ended before the next one was there. */
  readonly missed: number;
  readonly failures: readonly string[];
  readonly losses: readonly string[];
  readonly renewalP50Ms: number;
  readonly renewalP99Ms: number;
  readonly renewalMaxMs: number;
  /** Longest stall of the process that the nodes are in, which is part of the renewals' times. */
  readonly stallMs: number;
  /** Of one processor, 0 to 1 and above; undefined where control has no process of its own. */
  readonly controlCpu: number | undefined;
  readonly writesPerSecond: number;
  readonly writeMeanMs: number;
}

/** @param beginWhen is waited for once all nodes are connected; the first echoes come with the first heartbeats. */
export async function run(
  control: MeasuredControl,
  { nodes, seconds, folder, isEnough }: {
    readonly nodes: number;
    readonly seconds: number;
    readonly folder: string;
    /** Ends the run before its time. */
    readonly isEnough?: (counts: Counts) => boolean;
  },
): Promise<Result> {
  const counts = new Counts();
  const enrolledMs = performance.now();
  await using fleet = await Fleet.start(control, { nodes, folder, counts });
  const startedMs = performance.now();
  const before = writesOf(await control.metrics());
  const cpuBefore = await control.processorMs?.();
  counts.begin();
  while (performance.now() - startedMs < seconds * 1_000 && isEnough?.(counts) !== true) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const elapsedMs = performance.now() - startedMs;
  const online = fleet.online;
  counts.end();
  const after = writesOf(await control.metrics());
  const cpuAfter = await control.processorMs?.();
  const writes = after.count - before.count;
  return {
    nodes,
    seconds: elapsedMs / 1_000,
    online,
    enrollSeconds: (startedMs - enrolledMs) / 1_000,
    renewals: counts.renewalMs.length,
    missed: counts.missed,
    failures: counts.failures,
    losses: counts.losses,
    renewalP50Ms: percentile(counts.renewalMs, 0.5),
    renewalP99Ms: percentile(counts.renewalMs, 0.99),
    renewalMaxMs: percentile(counts.renewalMs, 1),
    stallMs: counts.stallMs,
    controlCpu: cpuBefore === undefined || cpuAfter === undefined
      ? undefined
      : (cpuAfter - cpuBefore) / elapsedMs,
    writesPerSecond: writes / (elapsedMs / 1_000),
    writeMeanMs: writes === 0 ? 0 : (after.seconds - before.seconds) / writes * 1_000,
  };
}

/** Throws Error on a page without them. */
export function writesOf(page: string): { readonly count: number; readonly seconds: number } {
  const value = (name: string) => {
    const match = new RegExp(`^postern_store_write_seconds_${name} (\\S+)$`, "m").exec(page);
    if (match === null) throw new Error("control tells no postern_store_write_seconds");
    return Number(match[1]);
  };
  return { count: value("count"), seconds: value("sum") };
}
