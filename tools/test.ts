/**
 * `deno task test [path or part of a path ...] [--filter=name]`: everything that shows Postern works, on a Debian
 * machine. Installs the programs that tests drive (as root; otherwise it prints the command and exits with 2), checks
 * types once, runs unit tests in parallel and tests/e2e one after the other.
 *
 * The last line reads `N passed, N failed` (`, N skipped` when some were). A type error, a crash and a hang count as
 * failed. Exit code 0 only when nothing failed.
 */
import { print, printError } from "./print.ts";
import { listTestFiles, selectFiles, type Selection } from "./test/discover.ts";
import type { FileResult } from "./test/junit.ts";
import { aptCommand, installPackages, missingRows } from "./test/packages.ts";
import { type PhaseResult, runPhase } from "./test/run.ts";

const totalBudgetMs = 19 * 60_000;
const parallelBudgetMs = 9 * 60_000;
const downloadAttempts = 3;
const downloadTimeoutMs = 180_000;
const checkTimeoutMs = 300_000;
const slowestShown = 10;
/** Failures that are told once more at the end, where a log that was cut off still has them, and how much of each. */
const failuresShown = 10;
const failureLines = 8;
/** Exit code of a command line or machine that cannot run tests at all. */
const exitUsage = 2;

async function main(args: readonly string[]): Promise<number> {
  const startedMs = Date.now();
  Deno.chdir(new URL("..", import.meta.url));
  const flags = args.filter((arg) => arg.startsWith("-"));
  let selection: Selection;
  try {
    selection = selectFiles(listTestFiles("tests"), args.filter((arg) => !arg.startsWith("-")));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    printError(error.message);
    return exitUsage;
  }
  if (!await ensurePackages()) return exitUsage;

  const phases: PhaseResult[] = [];
  if (!await checkTypes([...selection.parallel, ...selection.serial])) {
    phases.push({ passed: 0, failed: 1, skipped: 0, files: [] });
  }
  phases.push(
    await runPhase({
      name: "unit",
      files: selection.parallel,
      parallel: true,
      timeoutMs: parallelBudgetMs,
      flags,
    }),
  );
  phases.push(
    await runPhase({
      name: "e2e",
      files: selection.serial,
      parallel: false,
      timeoutMs: Math.max(60_000, totalBudgetMs - (Date.now() - startedMs)),
      flags,
    }),
  );
  return report(phases, Date.now() - startedMs);
}

async function ensurePackages(): Promise<boolean> {
  const missing = missingRows();
  if (missing.length === 0) return true;
  if (Deno.uid() !== 0) {
    print(aptCommand(missing));
    return false;
  }
  for (const row of missing) print(`test: needs ${row.binary} (${row.package}): ${row.why}`);
  const problem = await installPackages(missing);
  if (problem) printError(`Cannot prepare the machine: ${problem}. By hand: ${aptCommand(missing)}`);
  return problem === undefined;
}

/** Types of the chosen files, once and up front: the test processes themselves run without. */
async function checkTypes(files: readonly string[]): Promise<boolean> {
  print("test: dependencies");
  for (let attempt = 1; attempt <= downloadAttempts; attempt++) {
    if (await deno(["install", "--frozen=false", "--quiet"], downloadTimeoutMs)) break;
    if (attempt < downloadAttempts) {
      print(`test: dependencies, attempt ${attempt + 1} of ${downloadAttempts}`);
    }
  }
  // The bundler is a download of its own, and two tests that fetch it at once get in each other's way.
  const folder = await Deno.makeTempDir({ prefix: "postern-" });
  await deno(
    ["bundle", "--quiet", "--platform=deno", "-o", `${folder}/version.js`, "src/version.ts"],
    downloadTimeoutMs,
  );
  await Deno.remove(folder, { recursive: true });
  print("test: types");
  return await deno(["check", "--frozen=false", "--quiet", ...files], checkTimeoutMs);
}

async function deno(args: string[], timeoutMs: number): Promise<boolean> {
  const signal = AbortSignal.timeout(timeoutMs);
  const { success } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", signal }).spawn().status;
  return success;
}

function report(phases: readonly PhaseResult[], elapsedMs: number): number {
  const sum = (key: "passed" | "failed" | "skipped") =>
    phases.reduce((total, phase) => total + phase[key], 0);
  print(`test: ${Math.round(elapsedMs / 1000)} s; slowest files:`);
  for (const file of slowest(phases.flatMap((phase) => phase.files))) {
    print(`  ${file.seconds.toFixed(2).padStart(7)} s  ${file.file}`);
  }
  const failures = phases.flatMap((phase) => phase.files).flatMap((file) => file.failures);
  for (const { name, message } of failures.slice(0, failuresShown)) {
    print(`test: failed: ${name}`);
    for (const line of message.split("\n").filter(Boolean).slice(0, failureLines)) print(`    ${line}`);
  }
  const skipped = sum("skipped");
  print(`${sum("passed")} passed, ${sum("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return sum("failed") === 0 ? 0 : 1;
}

function slowest(files: readonly FileResult[]): FileResult[] {
  return [...files].sort((a, b) => b.seconds - a.seconds).slice(0, slowestShown);
}

Deno.exit(await main(Deno.args));
