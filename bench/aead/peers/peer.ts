import type { Metric, Operation } from "../metrics.ts";

/** One peer at one metric, ready to run. */
export interface Task {
  /** Not measured: makes `times` operations possible, such as sealing what is to be opened. */
  prepare?(times: number): void;
  /** Measured. */
  run(times: number): void | Promise<void>;
}

/** Something that seals, opens or hashes in this process. */
export interface Peer {
  readonly name: string;
  readonly operations: readonly Operation[];
  /** Undefined where this runtime has it not. */
  task(metric: Metric): Task | undefined | Promise<Task | undefined>;
}
