/** CPU profiles of edge and agent under one load, and where their time went. */
import { print, printError } from "../../tools/print.ts";
import { CELLS, isChosen } from "./cells.ts";
import type { Options } from "./options.ts";
import { startOrigin } from "./origin.ts";
import type { Peer } from "./peers/mod.ts";
import type { Workspace } from "./workspace.ts";
import { summarize } from "./profile_summary.ts";

/** Ignored by git. */
const DIRECTORY = new URL("../../.state/profiles", import.meta.url).pathname;
/** Time for compilers to get warm; it is in the profile, too. */
const WARM_UP_MS = 1_000;
/** Rows of a summary. */
const ROWS = 25;

/** Exit code. Writes NAME.ROLE.cpuprofile for Chromium's developer tools, and NAME.ROLE.txt for people. */
export async function profile(
  options: Options,
  peers: readonly Peer[],
  workspace: Workspace,
): Promise<number> {
  const own = peers.filter(({ name }) => name === "postern" || name === "postern-wss");
  if (own.length === 0) throw new Error("--profile looks at postern and postern-wss only");
  const origin = workspace.use(await startOrigin());
  await Deno.mkdir(DIRECTORY, { recursive: true });
  for (const cell of CELLS.filter((cell) => cell.rttMs === undefined && isChosen(cell, options.only))) {
    for (const peer of own) {
      const stem = `${cell.name}.${peer.name}`;
      printError(`bench: profile ${cell.name} ${peer.name}`);
      let lastMs = 0;
      {
        await using scope = workspace.scope();
        const folder = await Deno.makeTempDir({ prefix: "postern-profile-" });
        const flags = [
          "--cpu-prof",
          `--cpu-prof-dir=${DIRECTORY}`,
          `--cpu-prof-name=${stem}.{role}.cpuprofile`,
        ];
        const denoFlags = [...options.denoFlags, ...flags];
        const tunnel = scope.use(await peer.start({ origin, denoFlags, folder }));
        await cell.run(tunnel, WARM_UP_MS);
        const startedAt = performance.now();
        await cell.run(tunnel, options.seconds * 1000);
        lastMs = performance.now() - startedAt;
      }
      for (const role of ["edge", "agent"]) {
        const path = `${DIRECTORY}/${stem}.${role}`;
        const summary = summarize(JSON.parse(await Deno.readTextFile(`${path}.cpuprofile`)), ROWS, lastMs);
        await Deno.writeTextFile(`${path}.txt`, summary);
        print(`${path}.cpuprofile\n${summary}`);
      }
    }
  }
  return 0;
}
