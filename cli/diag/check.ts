/** Checks of `postern diag`. */
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";

/** What a check found. `hint` says what to do about a FAIL. */
export interface Finding {
  readonly result: "PASS" | "FAIL" | "SKIP";
  readonly detail: string;
  readonly hint?: string;
}

export interface Check {
  /** Snake case, stable: scripts may look for it. */
  readonly name: string;
  readonly run: () => Finding | Promise<Finding>;
}

export type Result = Finding & { readonly name: string };

export const pass = (detail: string): Finding => ({ result: "PASS", detail });
export const skip = (detail: string): Finding => ({ result: "SKIP", detail });
export const fail = (detail: string, hint: string): Finding => ({ result: "FAIL", detail, hint });

/** Runs the checks one after the other, telling each result at once; what a check throws is its FAIL. */
export async function runChecks(checks: readonly Check[], tell: (result: Result) => void): Promise<Result[]> {
  const results: Result[] = [];
  for (const { name, run } of checks) {
    const result = { name, ...await findingOf(run) };
    results.push(result);
    tell(result);
  }
  return results;
}

/** What the check finds; what it throws is a FAIL. */
export async function findingOf(run: Check["run"]): Promise<Finding> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof PosternError) return fail(`${codeOf(error)}: ${error.message}`, error.facts.remedy);
    return fail(
      error instanceof Error ? error.message : "unexpected failure",
      "Set POSTERN_DEBUG=1 and try again.",
    );
  }
}

/** `PASS  runtime           deno 2.9.6`, with the hint on a line of its own. */
export function resultText({ name, result, detail, hint }: Result): string {
  const line = `${result}  ${name.padEnd(18)} ${escapeControls(detail)}\n`;
  return hint === undefined ? line : `${line}      ${" ".repeat(18)} hint: ${escapeControls(hint)}\n`;
}
