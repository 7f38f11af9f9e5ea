import type { Call } from "../command.ts";
import { explanationJson, explanationText, knownCode } from "../explanation.ts";

/** `postern explain CODE [--json]`. Throws `cli_argument_unexpected`. */
export function runExplain(call: Call): number {
  const code = knownCode(call.arguments[0]);
  call.terminal.out(call.switches.has("json") ? explanationJson(code) : explanationText(code));
  return 0;
}
