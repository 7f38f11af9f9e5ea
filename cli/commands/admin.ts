import { instant } from "../../src/bytes/mod.ts";
import { createPrivate, replacePrivate, systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { loadEdge } from "../load.ts";

/**
 * `postern admin reset --out FILE`: a link for a new owner, made in the edge's own database. Throws `cli_flag_value_missing`,
 * `secret_file_exists`, `state_directory_unusable`, `admin_invites_full`, and the codes of stores.
 */
export async function runAdmin(call: Call): Promise<number> {
  const { out } = call.values;
  if (out === undefined) {
    throw new PosternError(
      "cli_flag_value_missing",
      "Cannot run postern admin reset: --out says which file the link goes into",
      { detail: { command: "admin" } },
    );
  }
  const { config, warnings } = await loadEdge(call);
  const log = createLog({ ...config.log, wall: systemClock.wall, write: (line) => call.terminal.err(line) });
  for (const warning of warnings) log("warn", warning);
  const { makeOwnerLink } = await import("../../src/main.ts");
  const { url, expiresAtMs } = await makeOwnerLink(config, log);
  if (call.switches.has("force")) await replacePrivate(out, `${url}\n`);
  else if (!await createPrivate(out, `${url}\n`)) {
    throw new PosternError(
      "secret_file_exists",
      `Cannot write link to ${out}: there is such a file already`,
    );
  }
  const until = instant(expiresAtMs);
  call.terminal.err(`a link that makes one owner, until ${until}; in ${out}\n`);
  return 0;
}
