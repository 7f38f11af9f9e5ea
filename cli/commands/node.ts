import { systemClock } from "../../src/driver/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { loadAgent } from "../load.ts";
import { untilStopped } from "../until_stopped.ts";

/** `postern connector` and `postern tunneler`: run until they are stopped. */
export async function runNode(role: "connector" | "tunneler", call: Call): Promise<number> {
  const { connector } = call.values;
  const settings = connector === undefined
    ? call.settings
    : { ...call.settings, "node-connector": connector };
  const { config, origins, warnings } = await loadAgent({ ...call, settings });
  const log = createLog({ ...config.log, wall: systemClock.wall, write: (line) => call.terminal.err(line) });
  for (const warning of warnings) log("warn", warning);
  const { startConnector, startTunneler } = await import("../../agent/node/mod.ts");
  const startNode = role === "connector" ? startConnector : startTunneler;
  const adminMayMove = origins.get("admin_listen")?.layer === "default";
  await untilStopped(() => startNode(config, { log, adminMayMove }), {
    stopping: () => log("info", "stopping"),
    cutShort: () => log("warn", "ended at once"),
  });
  return 0;
}
