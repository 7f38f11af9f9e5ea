/** What a V8 CPU profile says, as a table: self time by function. */

/** The parts of V8's format that are looked at. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      /** From 0. */
      readonly lineNumber: number;
    };
  }[];
  /** Node of each sample. */
  readonly samples: readonly number[];
  /** Microseconds from the sample before. */
  readonly timeDeltas: readonly number[];
}

const IDLE = "(idle)";

/**
 * The `rows` functions with the most self time in the last `lastMs` of the profile; what is before is the start of the
 * program. Shares are of the time in which the process was not idle.
 */
export function summarize(
  { nodes, samples, timeDeltas }: CpuProfile,
  rows: number,
  lastMs = Infinity,
): string {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const selfUs = new Map<string, number>();
  for (let at = samples.length - 1, leftUs = lastMs * 1000; at >= 0 && leftUs > 0; at--) {
    leftUs -= timeDeltas[at];
    const name = names.get(samples[at])!;
    selfUs.set(name, (selfUs.get(name) ?? 0) + timeDeltas[at]);
  }
  const idleUs = selfUs.get(IDLE) ?? 0;
  selfUs.delete(IDLE);
  const busyUs = [...selfUs.values()].reduce((sum, us) => sum + us, 0);
  const lines = [...selfUs].sort(([, a], [, b]) => b - a).slice(0, rows).map(([name, us]) =>
    `${(us / 1000).toFixed(0).padStart(8)} ms ${(100 * us / busyUs).toFixed(1).padStart(5)} %  ${name}`
  );
  const total = `${(busyUs / 1000).toFixed(0)} ms busy, ${(idleUs / 1000).toFixed(0)} ms idle; self time:`;
  return `${[total, ...lines].join("\n")}\n`;
}

function nameOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const path = /\/((?:src|agent|cli|wasm)\/.*)$/.exec(url)?.[1] ?? url;
  return `${name}  ${path}:${lineNumber + 1}`;
}
