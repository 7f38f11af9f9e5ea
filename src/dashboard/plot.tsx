/** Lines over time as SVG, and the same in numbers for those who do not see it. */
import type { FC } from "hono/jsx";
import { formatDistance } from "./format.ts";

/** Of the drawing, in its own units; it is scaled to the page. */
const width = 480;
const height = 150;
const left = 60;
const right = 8;
const top = 8;
const bottom = 20;

export interface Series {
  readonly name: string;
  /** One for each instant; undefined: nothing is known, and the line is broken. */
  readonly values: readonly (number | undefined)[];
}

interface PlotProps {
  readonly id: string;
  readonly title: string;
  /** Wall clock, ascending. */
  readonly instants: readonly number[];
  /** At most three. */
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly nowMs: number;
}

export const Plot: FC<PlotProps> = ({ id, title, instants, series, format, nowMs }) => {
  const known = series.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const max = niceCeiling(Math.max(0, ...known));
  const first = instants[0] ?? nowMs;
  const last = instants[instants.length - 1] ?? nowMs;
  const x = (ms: number) =>
    left + (width - left - right) * (last === first ? 1 : (ms - first) / (last - first));
  const y = (value: number) => height - bottom - (height - top - bottom) * value / max;
  return (
    <figure class="plot panel" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      {instants.length < 2
        ? <p class="quiet">Samples are taken every ten seconds; there are none to draw yet.</p>
        : (
          <>
            <ul class="keys">
              {series.map(({ name, values }, at) => (
                <li>
                  <svg viewBox="0 0 24 8" aria-hidden="true" focusable="false">
                    <polyline class={`s${at + 1}`} points="0,4 24,4" />
                  </svg>
                  {name}: {told(values, format)}
                </li>
              ))}
            </ul>
            <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={summary(title, series, format)}>
              {[0, 0.5, 1].map((part) => (
                <>
                  <line class="grid" x1={left} x2={width - right} y1={y(part * max)} y2={y(part * max)} />
                  <text x={left - 6} y={y(part * max) + 4} text-anchor="end">{format(part * max)}</text>
                </>
              ))}
              <text x={left} y={height - 4}>{formatDistance(first, nowMs)}</text>
              <text x={width - right} y={height - 4} text-anchor="end">{formatDistance(last, nowMs)}</text>
              {series.map(({ values }, at) =>
                runsOf(values, instants).map((run) => (
                  <polyline
                    class={`s${at + 1}`}
                    points={run.map(([ms, value]) => `${x(ms).toFixed(1)},${y(value).toFixed(1)}`).join(" ")}
                  />
                ))
              )}
            </svg>
          </>
        )}
    </figure>
  );
};

/** The newest value that is known. */
function told(values: Series["values"], format: PlotProps["format"]): string {
  const newest = values[values.length - 1];
  return newest === undefined ? "none now" : format(newest);
}

function summary(title: string, series: readonly Series[], format: PlotProps["format"]): string {
  const parts = series.map(({ name, values }) => {
    const known = values.filter((value) => value !== undefined);
    if (known.length === 0) return `${name}: none`;
    return `${name}: from ${format(Math.min(...known))} to ${format(Math.max(...known))}, now ${
      told(values, format)
    }`;
  });
  return `${title}. ${parts.join(". ")}`;
}

/** Stretches without a gap. */
function runsOf(values: Series["values"], instants: readonly number[]): (readonly [number, number])[][] {
  const runs: (readonly [number, number])[][] = [];
  let isOpen = false;
  for (const [at, value] of values.entries()) {
    if (value === undefined) {
      isOpen = false;
      continue;
    }
    if (!isOpen) runs.push([]);
    isOpen = true;
    runs[runs.length - 1].push([instants[at], value]);
  }
  return runs;
}

/** 1, 2 or 5 and zeros, above the value: a scale that people read. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value)!;
}
