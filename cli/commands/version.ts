import type { Call } from "../command.ts";
import { version } from "../../src/version.ts";

/** `postern version [--json]`. */
export function runVersion(call: Call): number {
  const facts = { version, deno: Deno.version.deno, target: Deno.build.target };
  call.terminal.out(
    call.switches.has("json")
      ? `${JSON.stringify(facts)}\n`
      : `postern ${facts.version} (deno ${facts.deno}, ${facts.target})\n`,
  );
  return 0;
}
