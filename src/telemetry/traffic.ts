/** What all services together have had since the process started, for whoever draws it over time. */
import { requestBuckets, type ServiceSeries } from "./service_series.ts";

export interface TrafficTotals {
  /** Answered requests, and those of them that were answered with 5xx. */
  readonly requests: number;
  readonly failures: number;
  /** Payload bytes from viewers, and to them. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Times from request to response head by bucket, not summed up; bounds are {@link requestBuckets}, and beyond them. */
  readonly buckets: readonly number[];
}

export function totalsOf(all: Iterable<ServiceSeries>): TrafficTotals {
  let [requests, failures, bytesIn, bytesOut] = [0, 0, 0, 0];
  const buckets = new Array<number>(requestBuckets.length + 1).fill(0);
  for (const series of all) {
    bytesIn += series.bytesIn;
    bytesOut += series.bytesOut;
    for (const [status, count] of series.requests()) {
      requests += count;
      if (status === "5xx") failures += count;
    }
    for (let at = 0; at < buckets.length; at++) buckets[at] += series.buckets[at];
  }
  return { requests, failures, bytesIn, bytesOut, buckets };
}

/** Of several threads together. */
export function summedTotals(parts: readonly TrafficTotals[]): TrafficTotals {
  const sum = (of: (part: TrafficTotals) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    requests: sum((part) => part.requests),
    failures: sum((part) => part.failures),
    bytesIn: sum((part) => part.bytesIn),
    bytesOut: sum((part) => part.bytesOut),
    buckets: Array.from({ length: requestBuckets.length + 1 }, (_, at) => sum((part) => part.buckets[at])),
  };
}
