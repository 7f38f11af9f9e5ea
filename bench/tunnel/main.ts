/** `deno task bench:tunnel`: the whole of Postern beside its peers, in one run on one machine. See ../README.md. */
import { print, printError } from "../../tools/print.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { type Peer, PEER_DIRECTORY, PEERS } from "./peers/mod.ts";
import { profile } from "./profile.ts";
import { type Setting, textTable } from "./report.ts";
import { requestTool } from "./load/requests.ts";
import { run } from "./run.ts";
import { Workspace } from "./workspace.ts";
import { writeReports } from "./write.ts";

/** Exit code after Ctrl-C, as shells have it. */
const INTERRUPTED = 130;

Deno.exit(await main());

async function main(): Promise<number> {
  if (Deno.args.includes("--help")) return print(USAGE) ?? 0;
  let options: Options;
  try {
    options = parseOptions(Deno.args);
  } catch (error) {
    printError(`Cannot run the bench: ${reason(error)}\n\n${USAGE}`);
    return 2;
  }
  await using workspace = Workspace.make();
  try {
    const { found, missing } = await installed(options);
    for (const line of missing) printError(`bench: ${line}`);
    if (options.profile) return await profile(options, found.map(({ peer }) => peer), workspace);
    const { results, origin, peers } = await run(options, found.map(({ peer }) => peer), workspace);
    const setting: Setting = {
      peers,
      descriptions: found.filter(({ peer }) => peers.includes(peer.name) && peer.name !== "direct")
        .map(({ description }) => description),
      machine: await machine(),
      rounds: options.rounds,
      secondsPerCell: options.seconds,
      requestTool: requestTool === "wrk" ? "wrk -t1" : "built-in generator",
      httpOrigin: origin.httpName,
      command: `\`deno task bench:tunnel${Deno.args.map((arg) => ` ${arg}`).join("")}\``,
      omissions: [...missing, ...results.omissions],
    };
    for (const failure of results.failures) printError(failure);
    if (options.json) { for (const line of results.comparisons(peers)) print(JSON.stringify(line)); }
    else print(textTable(results, setting));
    if (options.write) await writeReports(results, setting);
    return results.failures.length === 0 ? 0 : 1;
  } catch (error) {
    // What ends because it was told to is no failure.
    if (workspace.isEnding) return INTERRUPTED;
    printError(`Cannot run the bench: ${reason(error)}`);
    return 1;
  }
}

/** The peers that can run here, and why the others cannot. */
async function installed(
  options: Options,
): Promise<{ found: { peer: Peer; description: string }[]; missing: string[] }> {
  const found: { peer: Peer; description: string }[] = [];
  const missing: string[] = [];
  for (const peer of PEERS.filter(({ name }) => options.peers.includes(name))) {
    let description = await peer.describe();
    let why = peer.install === undefined ? "is not installed" : "is not installed (--install-peers gets it)";
    if (description === undefined && options.installPeers && peer.install !== undefined) {
      printError(`bench: installing ${peer.name}`);
      await Deno.mkdir(PEER_DIRECTORY, { recursive: true });
      try {
        await peer.install(PEER_DIRECTORY);
        description = await peer.describe();
        why = "was installed, but cannot run here";
      } catch (error) {
        why = `could not be installed: ${reason(error)}`;
      }
    }
    if (description !== undefined) found.push({ peer, description });
    else missing.push(`${peer.name} ${why}`);
  }
  if (found.length === 0) throw new Error("none of the peers can run here");
  return { found, missing };
}

async function machine(): Promise<string> {
  let model = "";
  try {
    model = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ?? "";
  } catch {
    // Not told by this system.
  }
  const cores = `${navigator.hardwareConcurrency} cores`;
  return `${model === "" ? cores : `${model}, ${cores}`}, Deno ${Deno.version.deno}`;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
