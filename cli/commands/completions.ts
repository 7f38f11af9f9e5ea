import type { Call } from "../command.ts";
import { commands } from "../commands.ts";
import { completionScript, type Shell } from "../completions.ts";

/** `postern completions SHELL`; the shell is one of the argument's words. */
export function runCompletions(call: Call): number {
  call.terminal.out(completionScript(call.arguments[0] as Shell, commands));
  return 0;
}
