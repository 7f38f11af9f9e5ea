/**
 * `deno task vectors FILE [--verbose]`: runs a file of published test vectors against the product's own code.
 *
 * The last line reads `N passed, N failed`, and `, N skipped` when some were. Exit code 0; 1 when a vector failed; 2 when
 * the file cannot be read or is malformed.
 */
// deno-lint-ignore-file no-console
import { noiseVectors } from "./vectors/noise.ts";
import { MalformedVectors, type VectorFormat, type VectorResult } from "./vectors/result.ts";
import { wycheproofVectors } from "./vectors/wycheproof.ts";

/** The first that recognises the file runs it. */
const FORMATS: readonly VectorFormat[] = [noiseVectors, wycheproofVectors];

/** Runs the file at `path`. Throws {@link MalformedVectors}. */
export function runVectorFile(path: string): VectorResult[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new MalformedVectors(`Cannot read ${path}: ${messageOf(error)}`);
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new MalformedVectors(`Cannot parse ${path}: ${messageOf(error)}`);
  }
  const format = typeof file === "object" && file !== null
    ? FORMATS.find((format) => format.recognises(file))
    : undefined;
  if (format === undefined) {
    const known = FORMATS.map((format) => format.title).join(", ");
    throw new MalformedVectors(`Cannot run ${path}: it is in no known format (${known})`);
  }
  try {
    return [...format.run(file as object)];
  } catch (error) {
    if (!(error instanceof MalformedVectors)) throw error;
    throw new MalformedVectors(`Cannot run ${path}: ${error.message}`);
  }
}

/** `N passed, N failed[, N skipped]`. */
export function summaryOf(results: readonly VectorResult[]): string {
  const count = (outcome: VectorResult["outcome"]) => results.filter((one) => one.outcome === outcome).length;
  const skipped = count("skipped");
  return `${count("passed")} passed, ${count("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function main(args: readonly string[]): number {
  const paths = args.filter((arg) => !arg.startsWith("-"));
  const flags = args.filter((arg) => arg.startsWith("-"));
  const unknown = flags.find((flag) => flag !== "--verbose");
  if (paths.length !== 1 || unknown !== undefined) {
    if (unknown !== undefined) console.error(`Cannot run vectors: unknown flag ${unknown}`);
    console.error("Usage: deno task vectors FILE [--verbose]");
    return 2;
  }
  let results: VectorResult[];
  try {
    results = runVectorFile(paths[0]);
  } catch (error) {
    if (!(error instanceof MalformedVectors)) throw error;
    console.error(error.message);
    return 2;
  }
  report(results, flags.includes("--verbose"));
  console.log(summaryOf(results));
  return results.some((result) => result.outcome === "failed") ? 1 : 0;
}

/** Failures always; every vector when verbose, else how often each reason to skip was met. */
function report(results: readonly VectorResult[], verbose: boolean): void {
  const skips = new Map<string, number>();
  for (const { name, outcome, reason } of results) {
    if (outcome === "failed" || verbose) console.log(`${outcome} ${name}${reason ? `: ${reason}` : ""}`);
    else if (outcome === "skipped") skips.set(reason ?? "", (skips.get(reason ?? "") ?? 0) + 1);
  }
  for (const [reason, count] of skips) console.log(`skipped ${count}: ${reason}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (import.meta.main) Deno.exit(main(Deno.args));
