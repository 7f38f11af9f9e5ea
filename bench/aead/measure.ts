/**
 * Medians of many short slices, in turn: first one peer for a millisecond, then the next, round by round. What disturbs
 * the machine hits all of them alike, and a slice that it hits is not in the middle.
 */
import { median } from "../tunnel/load/statistics.ts";
import { type Metric, operationsPerReading } from "./metrics.ts";
import { NATIVE_PEERS, PEERS, type Task } from "./peers/mod.ts";

export interface Plan {
  /** Slices of each peer in a round. */
  readonly slices: number;
  /** Rounds; `openssl speed` runs once in each. */
  readonly rounds: number;
}

/** Time until compilers have done their work; in later rounds, until caches are warm again. */
const FIRST_WARM_UP_MS = 150;
const WARM_UP_MS = 10;
const SLICE_MS = 1.5;

/** GB/s of each peer at each metric: metric id, then peer. */
export type Results = Map<string, Map<string, number>>;

export async function measure(
  metrics: readonly Metric[],
  plan: Plan,
  progress: (line: string) => void,
): Promise<Results> {
  const samples = new Map<string, Map<string, number[]>>();
  const add = (metric: Metric, peer: string, value: number) => {
    let ofMetric = samples.get(metric.id);
    if (ofMetric === undefined) samples.set(metric.id, ofMetric = new Map());
    const values = ofMetric.get(peer);
    if (values === undefined) ofMetric.set(peer, [value]);
    else values.push(value);
  };
  for (let round = 1; round <= plan.rounds; round++) {
    for (const metric of metrics) {
      progress(`round ${round} of ${plan.rounds}: ${metric.id}`);
      const tasks: [string, Task][] = [];
      for (const peer of PEERS.filter(({ operations }) => operations.includes(metric.operation))) {
        const task = await peer.task(metric);
        if (task !== undefined) tasks.push([peer.name, task]);
      }
      for (const [, task] of tasks) {
        await slice(task, metric, round === 1 ? FIRST_WARM_UP_MS : WARM_UP_MS);
      }
      for (let i = 0; i < plan.slices; i++) {
        for (const [name, task] of tasks) add(metric, name, await slice(task, metric, SLICE_MS));
      }
      for (const peer of NATIVE_PEERS.filter((peer) => peer.measures(metric))) {
        const value = await peer.measure(metric);
        if (value !== undefined) add(metric, peer.name, value);
      }
    }
  }
  return new Map(
    [...samples].map(([id, peers]) => [
      id,
      new Map([...peers].map(([name, values]) => [name, median(values)])),
    ]),
  );
}

/** Runs for at least `ms` of measured time and gives GB/s. */
async function slice(task: Task, metric: Metric, ms: number): Promise<number> {
  const most = operationsPerReading(metric);
  let times = 1;
  let operations = 0;
  let spent = 0;
  while (spent < ms) {
    task.prepare?.(times);
    const before = performance.now();
    const pending = task.run(times);
    if (pending !== undefined) await pending;
    const took = performance.now() - before;
    // Slow peers take few operations, so that a slice stays short.
    if (times < most && took < ms / 8) {
      times = Math.min(most, times * 4);
      continue;
    }
    spent += took;
    operations += times;
  }
  return operations * metric.bytes / spent / 1e6;
}
