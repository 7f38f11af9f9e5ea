/** From the words of a command line to an exit code. */
import type { Call } from "./command.ts";
import { commands } from "./commands.ts";
import { exitCodeOf, failureJson, failureText } from "./failure.ts";
import { commandHelp, overview } from "./help.ts";
import { parseCommandLine } from "./parse.ts";
import type { Terminal } from "./terminal.ts";

/** Exit code of a command line that asks for nothing. */
const usageExitCode = 2;

/** Runs one command line. Never throws: a failure is shown and becomes the exit code of its catalogue row. */
export async function runCommandLine(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
): Promise<number> {
  try {
    if (words.length === 0) {
      terminal.err(overview(commands));
      return usageExitCode;
    }
    const call: Call = { ...parseCommandLine(aliased(words), commands, env), env, terminal };
    if (call.switches.has("help")) {
      terminal.out(commandHelp(call.command, false));
      return 0;
    }
    return await call.command.run(call);
  } catch (error) {
    // Asked of the words, not of the call: parsing itself may be what failed.
    if (words.includes("--json")) terminal.out(failureJson(error));
    else terminal.err(failureText(error, env.POSTERN_DEBUG === "1"));
    return exitCodeOf(error);
  }
}

/** `postern --help` and `postern --version` are what people try first. */
function aliased(words: readonly string[]): readonly string[] {
  const [first, ...rest] = words;
  if (first === "--help" || first === "-h") return ["help", ...rest];
  return first === "--version" || first === "-V" || first === "-v" ? ["version", ...rest] : words;
}
