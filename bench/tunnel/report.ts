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
  /** What is missing, and why. */
  readonly omissions: readonly string[];
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

/** Every row and every peer, with values and ratios. */
export function markdownTable(results: Results, setting: Setting): string {
  return [...aligned([header(setting), ...body(results, setting)]), "", ...paragraph(notes(setting))].join(
    "\n",
  );
}

/** Peers whose ratios the README shows. */
const README_PEERS = ["chisel", "frp", "rathole", "ssh", "nginx"];

/** The main rows: what Postern does, over ws and over wss, and its ratio to each of the well-known peers. */
export function readmeTable(results: Results, setting: Setting): string {
  const measured = (peer: string) => setting.peers.includes(peer);
  const own = ["postern", "postern-wss"].filter(measured);
  const others = README_PEERS.filter(measured);
  const ratio = (id: string, peer: string) =>
    ratioText(results.value("postern", id), results.value(peer, id));
  const rows = results.rows(own).filter(({ main }) => main).map((metric) => [
    titleOf(metric),
    metric.unit,
    ...own.map((peer) => shown(results.value(peer, metric.id), metric)),
    ...others.map((peer) => ratio(metric.id, peer)),
  ]);
  const head = ["", "unit", ...own, ...others.map((peer) => `÷ ${peer}`)];
  return [
    ...aligned([head, ...rows]),
    "",
    ...paragraph([
      "÷ is postern over ws / peer.",
      ...notes(setting).filter((note) => !note.startsWith("In parentheses")),
    ]),
  ].join("\n");
}

/** As the formatter wants it: columns of one width. */
function aligned([head, ...rows]: readonly (readonly string[])[]): string[] {
  const rule = head.map((_, column) => column === 0 ? "---" : "--:");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(rule), ...rows.map(line)];
}

/** One line each in the rendered page. */
function paragraph(sentences: readonly string[]): string[] {
  return sentences.flatMap((sentence) => [sentence, ""]);
}

/** The text with the table between its markers; undefined when it has none. */
export function withTable(text: string, table: string): string | undefined {
  const start = text.indexOf(MARKERS.start);
  const end = text.indexOf(MARKERS.end, start);
  if (start < 0 || end < 0) return undefined;
  return `${text.slice(0, start + MARKERS.start.length)}\n\n${table.trimEnd()}\n\n${text.slice(end)}`;
}

function header({ peers }: Setting): string[] {
  return ["", "unit", ...peers];
}

/** Values; behind those of others postern / peer in parentheses. */
function body(results: Results, { peers }: Setting): string[][] {
  return results.rows(peers).map((metric) => [
    titleOf(metric),
    metric.unit,
    ...peers.map((peer) => {
      const value = results.value(peer, metric.id);
      const text = shown(value, metric);
      const ratio = peer === "postern" ? "–" : ratioText(results.value("postern", metric.id), value);
      return ratio === "–" ? text : `${text} (${ratio})`;
    }),
  ]);
}

function titleOf({ title, better }: Metric): string {
  return `${title}${better === "lower" ? " ↓" : ""}`;
}

function ratioText(own: number | undefined, value: number | undefined): string {
  return own === undefined || value === undefined || value === 0 ? "–" : (own / value).toFixed(2);
}

function shown(value: number | undefined, { unit }: Metric): string {
  if (value === undefined) return "–";
  if (unit === "ms") return value.toFixed(3);
  if (unit === "Gbit/s") return value.toFixed(2);
  return value.toFixed(value < 100 ? 1 : 0);
}

/** How the numbers came about, a sentence each. */
export function notes(setting: Setting): string[] {
  return [
    `${setting.machine}; loopback; medians of ${setting.rounds} interleaved rounds, ` +
    `${setting.secondsPerCell} s a cell; ↓ lower is better.`,
    ...(setting.peers.includes("postern") && setting.peers.length > 1
      ? ["In parentheses: postern / peer."]
      : []),
    `Requests: ${setting.requestTool}, origin ${setting.httpOrigin}, 1 KiB.`,
    `${setting.descriptions.join("; ")}.`,
    ...setting.omissions.map((text) => `Not measured: ${text}.`),
    setting.command,
  ];
}
