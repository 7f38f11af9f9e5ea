import { systemClock } from "../../src/driver/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { loadEdge } from "../load.ts";
import { untilStopped } from "../until_stopped.ts";

/** `postern edge`: runs until it is stopped. */
export async function runEdge(call: Call): Promise<number> {
  const { config, origins, warnings } = await loadEdge(call);
  const log = createLog({ ...config.log, wall: systemClock.wall, write: (line) => call.terminal.err(line) });
  for (const warning of warnings) log("warn", warning);
  const { startEdge } = await import("../../src/main.ts");
  // The program that runs here, whatever it was packed into, is also what its further threads run.
  const start = () =>
    startEdge(config, {
      log,
      workerEntry: Deno.mainModule,
      adminMayMove: origins.get("admin_listen")?.layer === "default",
    });
  await untilStopped(start, {
    stopping: () => log("info", "draining", { drain_timeout_ms: config.drainTimeoutMs }),
    cutShort: () => log("warn", "ended without draining"),
    reload: (edge) => void edge.reload(),
  });
  return 0;
}
