/** `deno task bench:aead`: the crypto core beside what could be used in its place, in one run. See ../README.md. */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { print, printError } from "../../tools/print.ts";
import { measure, type Results } from "./measure.ts";
import { METRICS } from "./metrics.ts";
import { opensslVersion } from "./peers/mod.ts";
import { measureWorkers } from "./workers.ts";
import { comparisons, markdownTable, table, textTable, withTable } from "./report.ts";

const README = new URL("../../README.md", import.meta.url);
const USAGE = `Usage: deno task bench:aead [FLAGS]

  --quick      one round of few slices: whether it works, not how fast it is
  --rounds N   rounds of 40 slices a peer (3)
  --only A,B   metrics whose name begins so, such as seal_1024, hash
  --json       one object a line: {"metric","postern","peer","peer_value","ratio"}; values in GB/s
  --write      put the table into README.md`;

Deno.exit(await main());

async function main(): Promise<number> {
  let options: ReturnType<typeof parse>;
  try {
    options = parse(Deno.args);
  } catch (error) {
    printError(`Cannot run the bench: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) return print(USAGE) ?? 0;
  const metrics = METRICS.filter(({ id }) =>
    options.only.length === 0 || options.only.some((prefix) => id.startsWith(prefix))
  );
  const plan = options.quick ? { slices: 5, rounds: 1 } : { slices: 40, rounds: options.rounds };
  const results = await measure(metrics, plan, (line) => printError(`bench: ${line}`));
  const rows = table(results, metrics);
  const workers = options.only.length === 0 ? await measureWorkers(plan.rounds) : new Map();
  if (options.json) {
    for (const line of [...comparisons(results), ...comparisons(workers)]) print(JSON.stringify(line));
  } else {
    print(`${textTable(rows)}\n\n${await setting()}`);
    for (const { postern, peer_value, ratio } of comparisons(workers)) {
      print(
        `Two Workers, each with its own core, seal ${postern} GB/s together; one alone ${peer_value} (${ratio}).`,
      );
    }
  }
  return options.write ? await write(results, rows) : 0;
}

function parse(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: "3" },
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new Error("--rounds is a number from 1 to 100");
  }
  return { ...values, rounds, only: values.only.split(",").filter(Boolean) };
}

async function write(results: Results, rows: string[][]): Promise<number> {
  if (results.size < METRICS.length) {
    printError("Cannot write the table: not every metric was measured");
    return 2;
  }
  const updated = withTable(
    await Deno.readTextFile(README),
    `${markdownTable(rows)}\n\n${await setting()}`,
  );
  if (updated === undefined) {
    printError("Cannot write the table: README.md has no place for it");
    return 1;
  }
  await Deno.writeTextFile(README, updated);
  return 0;
}

/** Where the numbers come from. */
async function setting(): Promise<string> {
  const parts = [
    cpus()[0]?.model ?? "unknown processor",
    `Deno ${Deno.version.deno}`,
    await opensslVersion(),
  ];
  return `${
    parts.filter(Boolean).join(", ")
  }; one thread, payload GB/s, medians of interleaved slices of 1.5 ms; ` +
    "in brackets: postern / peer.";
}
