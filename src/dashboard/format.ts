/** Numbers and times as people read them. */

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** 1536 -> "1.5 kB": steps of 1000, three digits at most before the unit. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 12345 -> "12,345". */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** Milliseconds: "0.4 ms", "12 ms", "1.5 s". */
export function formatMs(ms: number): string {
  if (ms >= 9_950) return `${Math.round(ms / 1_000)} s`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms >= 9.95 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

const spans: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
];

/** A length of time in its largest unit: "3 d", "5 h", "12 min", "40 s". */
export function formatSpan(ms: number): string {
  const [size, name] = spans.find(([size]) => ms >= size) ?? [1_000, "s"];
  return `${Math.floor(ms / size)} ${name}`;
}

/** How far from now: "12 min ago", "in 40 s", "now". */
export function formatDistance(ms: number, nowMs: number): string {
  const distance = ms - nowMs;
  if (Math.abs(distance) < 1_000) return "now";
  return distance < 0 ? `${formatSpan(-distance)} ago` : `in ${formatSpan(distance)}`;
}

/** "2026-01-31 12:00:00" in UTC. */
export function formatInstant(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}
