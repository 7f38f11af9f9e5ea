import { didYouMean } from "../../src/config/mod.ts";
import { isErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { Call } from "../command.ts";
import { commands } from "../commands.ts";
import { explanationText } from "../explanation.ts";
import { commandHelp, overview } from "../help.ts";

/** `postern help [COMMAND | CODE] [--all]`. Throws `cli_command_unknown`. */
export function runHelp(call: Call): number {
  const [name] = call.arguments;
  if (name === undefined) {
    call.terminal.out(overview(commands));
    return 0;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined && isErrorCode(name)) {
    call.terminal.out(explanationText(name));
    return 0;
  }
  if (command === undefined) {
    const suggestion = didYouMean(name, commands.map((candidate) => candidate.name));
    throw new PosternError(
      "cli_command_unknown",
      `Cannot show help: there is no command ${JSON.stringify(name.slice(0, 64))}${suggestion}`,
    );
  }
  call.terminal.out(commandHelp(command, call.switches.has("all")));
  return 0;
}
