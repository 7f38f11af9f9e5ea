/** The picture of a run, as SVG that reads on light and on dark pages: ratios by row and peer, and the curve over the round trip. */
import { ROUND_TRIPS_MS } from "./cells.ts";
import type { Metric } from "./metrics.ts";
import type { Setting } from "./report.ts";
import type { Results } from "./results.ts";

/** Ratios are told to these; a dot each. */
const RATIO_PEERS = ["chisel", "frp", "rathole", "bore", "ssh", "nginx"];
/** Lines of the curve; the rest says nothing that these do not. */
const CURVE_PEERS = ["direct", "postern", "postern-wss", "chisel", "frp", "rathole", "bore", "ssh", "nginx"];

/** Distinct for most eyes, and legible on white and on black. */
const COLOURS: Readonly<Record<string, string>> = {
  postern: "#d9480f",
  "postern-wss": "#f08c00",
  direct: "#868e96",
  chisel: "#1c7ed6",
  frp: "#2f9e44",
  rathole: "#9c36b5",
  bore: "#a07855",
  ssh: "#0c8599",
  nginx: "#e64980",
};

const WIDTH = 960;
const LEFT = 300;
const RIGHT = 24;
const ROW = 19;
const HEAD = 66;
/** Ratios beyond these lie on the edge. */
const LEAST = 1 / 16;
const MOST = 16;
const CURVE_HEIGHT = 230;
/** Left of each of both curves. */
const GAP = 60;

/** What must not be overlooked when a colour is better. */
const LEGEND: Readonly<Record<string, string>> = {
  bore: "bore (no encryption)",
  nginx: "nginx (no tunnel)",
  direct: "direct (no tunnel)",
};

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #343a40 }
  .title { font-size: 15px; font-weight: 600 }
  .faint { fill: #6c757d }
  .grid { stroke: #adb5bd; stroke-opacity: .35 }
  .one { stroke: #6c757d; stroke-width: 1.5 }
  .better { fill: #2f9e44; fill-opacity: .07 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e9ecef }
    .faint { fill: #adb5bd }
    .grid { stroke: #868e96 }
    .one { stroke: #ced4da }
  }`;

export function plot(results: Results, setting: Setting): string {
  const own = setting.peers.includes("postern") ? "postern" : undefined;
  const ratios = own === undefined ? { svg: "", height: 0 } : ratioPlot(results, setting);
  const curve = curvePlot(results, setting, ratios.height);
  const height = ratios.height + curve.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Postern beside its peers">
<style>${STYLE}
</style>
${ratios.svg}${curve.svg}</svg>
`;
}

interface Part {
  readonly svg: string;
  readonly height: number;
}

/** How many times better Postern is, on a logarithmic scale, right of the middle; worse is left of it. */
function ratioPlot(results: Results, setting: Setting): Part {
  const peers = RATIO_PEERS.filter((peer) => setting.peers.includes(peer));
  const rows = results.rows(["postern"]).filter(({ main, id }) =>
    main && peers.some((peer) => betterBy(results, id, peer) !== undefined)
  );
  if (rows.length === 0) return { svg: "", height: 0 };
  const x = (ratio: number) => {
    const part = Math.log2(Math.min(MOST, Math.max(LEAST, ratio)) / LEAST) / Math.log2(MOST / LEAST);
    return LEFT + part * (WIDTH - LEFT - RIGHT);
  };
  const bottom = HEAD + rows.length * ROW;
  const lines: string[] = [
    text(16, 24, "How many times better Postern is, row by row", "title"),
    ...legend(peers, 16, 44),
    `<rect class="better" x="${x(1)}" y="${HEAD - 6}" width="${x(MOST) - x(1)}" height="${
      bottom - HEAD + 6
    }"/>`,
  ];
  for (let ratio = LEAST; ratio <= MOST; ratio *= 2) {
    const at = round(x(ratio));
    lines.push(
      `<line class="${ratio === 1 ? "one" : "grid"}" x1="${at}" x2="${at}" y1="${HEAD - 6}" y2="${bottom}"/>`,
    );
    const label = ratio >= 1 ? `${ratio}×` : `1/${1 / ratio}`;
    lines.push(text(at, bottom + 16, label, "faint", "middle"));
  }
  rows.forEach(({ id, title }, index) => {
    const y = HEAD + index * ROW + ROW / 2;
    lines.push(text(LEFT - 10, y + 4, title, "", "end"));
    lines.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`);
    for (const peer of peers) {
      const ratio = betterBy(results, id, peer);
      if (ratio === undefined) continue;
      const note = `${title}: ${ratio.toFixed(2)} times as good as ${peer}`;
      lines.push(dot(x(ratio), y, peer, note));
    }
  });
  lines.push(text(x(MOST), bottom + 32, "Postern better →", "faint", "end"));
  lines.push(text(x(LEAST), bottom + 32, "← peer better", "faint"));
  return { svg: `${lines.join("\n")}\n`, height: bottom + 52 };
}

/** Above 1 Postern is better, whichever way the metric counts. */
function betterBy(results: Results, id: string, peer: string): number | undefined {
  const metric = results.rows(["postern"]).find((row): row is Metric => row.id === id);
  const own = results.value("postern", id);
  const value = results.value(peer, id);
  if (metric === undefined || own === undefined || value === undefined || !(own > 0) || !(value > 0)) {
    return undefined;
  }
  return metric.better === "higher" ? own / value : value / own;
}

/** Throughput of one stream over a link of 1 Gbit/s, up and down side by side. */
function curvePlot(results: Results, setting: Setting, top: number): Part {
  const peers = CURVE_PEERS.filter((peer) =>
    setting.peers.includes(peer) &&
    ROUND_TRIPS_MS.some((rttMs) => results.value(peer, `rtt.${rttMs}.up`) !== undefined)
  );
  if (peers.length === 0) return { svg: "", height: 0 };
  const lines = [
    text(16, top + 24, "Share of a 1 Gbit/s link that one stream gets, by round trip", "title"),
    ...legend(peers, 16, top + 44),
  ];
  const half = (WIDTH - GAP * 2 - RIGHT) / 2;
  (["up", "down"] as const).forEach((direction, column) => {
    lines.push(...panel(results, peers, direction, GAP + column * (half + GAP), top + HEAD + 16, half));
  });
  return { svg: `${lines.join("\n")}\n`, height: HEAD + CURVE_HEIGHT + 64 };
}

function panel(
  results: Results,
  peers: readonly string[],
  direction: "up" | "down",
  left: number,
  top: number,
  width: number,
): string[] {
  const longest = ROUND_TRIPS_MS.at(-1)!;
  const x = (rttMs: number) => round(left + rttMs / longest * width);
  // Payload a second and the limit of the link are the same unit: Gbit/s over 1 Gbit/s.
  const y = (share: number) => round(top + CURVE_HEIGHT * (1 - Math.min(1, share)));
  const lines = [text(left, top - 8, `one stream ${direction}`, "faint")];
  for (let share = 0; share <= 1; share += 0.25) {
    lines.push(
      `<line class="grid" x1="${left}" x2="${left + width}" y1="${y(share)}" y2="${y(share)}"/>`,
      text(left - 6, y(share) + 4, `${share * 100} %`, "faint", "end"),
    );
  }
  for (const rttMs of ROUND_TRIPS_MS) {
    lines.push(text(x(rttMs), top + CURVE_HEIGHT + 18, `${rttMs} ms`, "faint", "middle"));
  }
  for (const peer of peers) {
    const points = ROUND_TRIPS_MS.flatMap((rttMs) => {
      const value = results.value(peer, `rtt.${rttMs}.${direction}`);
      return value === undefined ? [] : [{ rttMs, value }];
    });
    const path = points.map(({ rttMs, value }) => `${x(rttMs)},${y(value)}`).join(" ");
    const thick = peer.startsWith("postern") ? 2.5 : 1.5;
    const dash = peer === "direct" ? ' stroke-dasharray="4 4"' : "";
    lines.push(
      `<polyline points="${path}" fill="none" stroke="${COLOURS[peer]}" stroke-width="${thick}"${dash}/>`,
      ...points.map(({ rttMs, value }) =>
        dot(x(rttMs), y(value), peer, `${peer}, ${rttMs} ms: ${(value * 100).toFixed(0)} %`, 3)
      ),
    );
  }
  return lines;
}

function legend(peers: readonly string[], left: number, y: number): string[] {
  let at = left;
  return peers.flatMap((peer) => {
    const label = LEGEND[peer] ?? peer;
    const lines = [dot(at + 5, y - 4, peer, label), text(at + 14, y, label)];
    at += 30 + label.length * 6.4;
    return lines;
  });
}

function dot(x: number, y: number, peer: string, note: string, radius = 5): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${
    COLOURS[peer]
  }" fill-opacity=".85">` +
    `<title>${escaped(note)}</title></circle>`;
}

function text(x: number, y: number, content: string, style = "", anchor = "start"): string {
  const attributes = `${style === "" ? "" : ` class="${style}"`}${
    anchor === "start" ? "" : ` text-anchor="${anchor}"`
  }`;
  return `<text x="${round(x)}" y="${round(y)}"${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
