/** Numbers and facts in few characters. Pure. */
import type { Tier } from "../../src/identity/mod.ts";

/** 1536 -> "1.5 KiB". */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** How an agent proves itself, with what that is worth. */
export function tierText(tier: Tier): string {
  return tier === "tpm" ? "tpm" : "bound-key (weaker: no TPM)";
}

/** 3_725_000 -> "1h2m"; the two largest units. */
export function elapsedText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return "0s";
  return parts.slice(first, first + 2).filter(([amount]) => amount > 0).map(([n, unit]) => `${n}${unit}`)
    .join("");
}

/** 0.84 -> "0.84 ms", 12.3 -> "12 ms". */
export function millisecondsText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;
}
