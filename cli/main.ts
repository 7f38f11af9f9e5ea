/** The `postern` program. */
import { runCommandLine } from "./run.ts";
import { processTerminal } from "./terminal.ts";

if (import.meta.main) {
  const env = Deno.env.toObject();
  Deno.exit(await runCommandLine(Deno.args, env, processTerminal(env)));
}
