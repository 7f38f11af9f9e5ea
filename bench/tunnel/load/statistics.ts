/** Medians and percentiles. */

/** The value at `part` (0 to 1) of the sorted samples, nearest rank. NaN without samples. */
export function percentile(samples: ArrayLike<number>, part: number): number {
  if (samples.length === 0) return NaN;
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** The middle value; the mean of both middle ones for an even count. NaN without samples. */
export function median(samples: ArrayLike<number>): number {
  if (samples.length === 0) return NaN;
  const sorted = Float64Array.from(samples).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
