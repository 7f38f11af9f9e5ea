/** The same results for people, for the README and for machines. */
import type { Metric } from "./metrics.ts";
import type { Results } from "./results.ts";

/** How the numbers came about. */
export interface Setting {
  /** Postern first. */
  readonly peers: readonly string[];
  /** One sentence a peer. */
  readonly descriptions: readonly string[];
  readonly machine: string;
  readonly rounds: number;
  readonly secondsPerCell: number;
  readonly requestTool: string;
  readonly httpOrigin: string;
  /** The command that repeats it. */
  readonly command: string;
}

const MARKERS = { start: "<!-- bench:tunnel:start -->", end: "<!-- bench:tunnel:end -->" };

export function textTable(results: Results, setting: Setting): string {
  const rows = [header(setting), ...body(results, setting)];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join(
      "  ",
    )
      .trimEnd()
  );
  return [...notes(setting), "", ...lines].join("\n");
}

export function markdownTable(results: Results, setting: Setting): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [head, ...rest] = [header(setting), ...body(results, setting)];
  const rule = head.map((_, column) => column === 0 ? "---" : "--:");
  return [line(head), line(rule), ...rest.map(line), "", ...notes(setting).map((note) => `${note}  `)].join(
    "\n",
  );
}

/** The text with the table between its markers; undefined when it has none. */
export function withTable(text: string, table: string): string | undefined {
  const start = text.indexOf(MARKERS.start);
  const end = text.indexOf(MARKERS.end, start);
  if (start < 0 || end < 0) return undefined;
  return `${text.slice(0, start + MARKERS.start.length)}\n\n${table.trimEnd()}\n\n${text.slice(end)}`;
}

function header({ peers }: Setting): string[] {
  const compared = peers.includes("postern");
  const columns = (peer: string) => peer === "postern" || !compared ? [peer] : [peer, `postern / ${peer}`];
  return ["", "unit", ...peers.flatMap(columns)];
}

function body(results: Results, { peers }: Setting): string[][] {
  return results.rows(peers).map((metric) => [
    `${metric.title}${metric.better === "lower" ? " ↓" : ""}`,
    metric.unit,
    ...peers.flatMap((peer) => {
      const value = results.value(peer, metric.id);
      if (peer === "postern" || !peers.includes("postern")) return [shown(value, metric)];
      const own = results.value("postern", metric.id);
      const ratio = own === undefined || value === undefined ? "–" : (own / value).toFixed(2);
      return [shown(value, metric), ratio];
    }),
  ]);
}

function shown(value: number | undefined, { unit }: Metric): string {
  if (value === undefined) return "–";
  if (unit === "ms") return value.toFixed(3);
  if (unit === "Gbit/s") return value.toFixed(2);
  return value.toFixed(value < 100 ? 1 : 0);
}

function notes(setting: Setting): string[] {
  return [
    `${setting.machine}; loopback; medians of ${setting.rounds} interleaved rounds, ` +
    `${setting.secondsPerCell} s a cell; ↓ lower is better.`,
    `Requests: ${setting.requestTool}, origin ${setting.httpOrigin}, 1 KiB. ` +
    `${setting.descriptions.join("; ")}. ${setting.command}`,
  ];
}
