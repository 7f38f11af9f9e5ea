/** How a demo with programs of the system goes: what it needs, its steps, and how it ends. */
import type { Log } from "../../src/ports/mod.ts";
import { print, printError } from "../print.ts";
import { aptCommand, missingRows } from "../test/packages.ts";

/** Longest time for one step. */
export const STEP_MS = 30_000;

export interface DemoOptions {
  /** Whether to go through all steps and end, instead of serving. */
  readonly checking: boolean;
  readonly log: Log;
  /** Resolves when whoever started the demo wants it to end. */
  readonly interrupted: Promise<void>;
}

/**
 * Runs the steps, unless a program is missing; what they put on the stack ends with them. Exit code.
 * @param name as in "the cluster demo"
 * @param steps true when there is something to be told: that all of them worked
 */
export async function playDemo(
  name: string,
  programs: readonly string[],
  steps: (stack: AsyncDisposableStack) => Promise<boolean>,
): Promise<number> {
  const missing = missingRows().filter(({ binary }) => programs.includes(binary));
  if (missing.length > 0) {
    printError(
      `Cannot run the ${name} demo: ${missing.map(({ binary }) => binary).join(", ")} not found. ` +
        `As root:\n\n  ${aptCommand(missing)}\n`,
    );
    return 1;
  }
  await using stack = new AsyncDisposableStack();
  try {
    if (await steps(stack)) print(`The ${name} demo works.`);
    return 0;
  } catch (error) {
    printError(`The ${name} demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

export function pass(name: string, seen: string): void {
  print(`PASS  ${name}: ${seen}`);
}

/** Throws what was seen unless it `holds`. */
export function expect(holds: boolean, saw: string): void {
  if (!holds) throw new Error(`saw ${saw}`);
}

/** Ends what takes longer than a step may. */
export function step(): AbortSignal {
  return AbortSignal.timeout(STEP_MS);
}
