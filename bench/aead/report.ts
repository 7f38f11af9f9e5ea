/** The same results for people, for the README and for machines. */
import type { Metric } from "./metrics.ts";
import type { Results } from "./measure.ts";

/** One comparison, as a line of `--json`: GB/s, and postern / peer. */
export interface Comparison {
  readonly metric: string;
  readonly postern: number;
  readonly peer: string;
  readonly peer_value: number;
  readonly ratio: number;
}

const MARKERS = { start: "<!-- bench:aead:start -->", end: "<!-- bench:aead:end -->" };

export function comparisons(results: Results): Comparison[] {
  const found: Comparison[] = [];
  for (const [metric, values] of results) {
    const postern = values.get("postern");
    if (postern === undefined) continue;
    for (const [peer, value] of values) {
      if (peer === "postern") continue;
      found.push({
        metric,
        postern: rounded(postern),
        peer,
        peer_value: rounded(value),
        ratio: rounded(postern / value),
      });
    }
  }
  return found;
}

/** One row a metric, one column a peer: its GB/s and, in brackets, how many times as fast Postern is. */
export function table(results: Results, metrics: readonly Metric[]): string[][] {
  const peers = [...new Set([...results.values()].flatMap((values) => [...values.keys()]))];
  const rows = metrics.filter(({ id }) => results.has(id)).map(({ id }) => {
    const values = results.get(id)!;
    const own = values.get("postern");
    return [
      id,
      ...peers.map((peer) => {
        const value = values.get(peer);
        if (value === undefined) return "";
        const ratio = peer === "postern" || own === undefined ? "" : ` (${(own / value).toFixed(2)})`;
        return `${shown(value)}${ratio}`;
      }),
    ];
  });
  return [["GB/s", ...peers], ...rows];
}

export function textTable(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
  ).join("\n");
}

/** Aligned as the formatter aligns it. */
export function markdownTable(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const padded = (row: readonly string[]) =>
    line(row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
  const rule = line(widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  const [head, ...rest] = rows;
  return [padded(head), rule, ...rest.map(padded)].join("\n");
}

/** The text with `body` between its markers; undefined when it has none. */
export function withTable(text: string, body: string): string | undefined {
  const start = text.indexOf(MARKERS.start);
  const end = text.indexOf(MARKERS.end, start);
  if (start < 0 || end < 0) return undefined;
  return `${text.slice(0, start + MARKERS.start.length)}\n\n${body.trimEnd()}\n\n${text.slice(end)}`;
}

function shown(value: number): string {
  return value < 0.1 ? value.toFixed(4) : value.toFixed(2);
}

/** Four significant digits: more would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
