/** How a failure is shown, and the exit code that it ends the process with. Pure. */
import { codeOf, PosternError } from "../src/errors/mod.ts";
import { CATALOGUE } from "../src/errors/mod.ts";
import { escapeControls } from "../src/telemetry/mod.ts";

/** Exit code where the catalogue names none. */
const defaultExitCode = 1;

/** The catalogue's exit code of any thrown value. */
export function exitCodeOf(error: unknown): number {
  return CATALOGUE[codeOf(error)].exit ?? defaultExitCode;
}

/** Command that explains a code. */
export function explanationOf(error: unknown): string {
  return `postern explain ${codeOf(error)}`;
}

function messageOf(error: unknown): string {
  if (error instanceof PosternError) return error.message;
  return error instanceof Error ? `Unexpected ${error.name}: ${error.message}` : "Unexpected failure";
}

/** What to do; where the catalogue says COMMAND, the command that was typed. */
function remedyOf(error: unknown): string {
  const { remedy } = CATALOGUE[codeOf(error)];
  const command = error instanceof PosternError ? error.detail.command : undefined;
  return typeof command === "string" ? remedy.replaceAll("COMMAND", command) : remedy;
}

/** Messages may hold text of a peer: every line is printable, line breaks stay. */
function printable(text: string): string {
  return text.split("\n").map(escapeControls).join("\n");
}

/** The lines for people; `debug` adds stack and causes. */
export function failureText(error: unknown, debug: boolean): string {
  const code = codeOf(error);
  const lines = [
    `error[${code}]: ${printable(messageOf(error)).replaceAll("\n", "\n  ")}`,
    `  fix:  ${remedyOf(error)}`,
    `  more: ${explanationOf(error)}`,
  ];
  if (debug) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      lines.push(printable(cause.stack ?? String(cause)));
    }
  }
  return `${lines.join("\n")}\n`;
}

/** One JSON object for programs. */
export function failureJson(error: unknown): string {
  const code = codeOf(error);
  const { retryable } = CATALOGUE[code];
  const detail = error instanceof PosternError ? error.detail : {};
  return `${
    JSON.stringify({
      error: {
        code,
        message: messageOf(error),
        remedy: remedyOf(error),
        explain: explanationOf(error),
        exit: exitCodeOf(error),
        retryable,
        detail,
      },
    })
  }\n`;
}
