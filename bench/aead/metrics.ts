/** What is measured. Names and sizes are the `metric` of `--json`. */

export type Operation = "seal" | "open" | "hash";

export interface Metric {
  /** `seal_16384`, `seal_64_batched`. */
  readonly id: string;
  readonly operation: Operation;
  /** Payload of one operation. */
  readonly bytes: number;
  /** Many records in one call; peers without such a call do them one by one. */
  readonly batched: boolean;
}

const SIZES = [64, 256, 1024, 4096, 16384, 65536];

/** Associated data of every seal and open: a record's header. */
export const AD_BYTES = 4;
export const TAG_BYTES = 16;

/**
 * Operations under one reading of the clock: about 256 KiB, so that everybody's data stays in the cache. A batch is as
 * large as one write to a socket.
 */
export function operationsPerReading({ bytes, batched }: Metric): number {
  if (batched) return 256;
  return Math.max(4, Math.min(1024, Math.floor(262_144 / bytes)));
}

export const METRICS: readonly Metric[] = [
  ...(["seal", "open"] as const).flatMap((operation) => [
    { id: `${operation}_64_batched`, operation, bytes: 64, batched: true },
    ...SIZES.map((bytes) => ({ id: `${operation}_${bytes}`, operation, bytes, batched: false })),
  ]),
  ...SIZES.map((bytes) => ({ id: `hash_${bytes}`, operation: "hash" as const, bytes, batched: false })),
];
