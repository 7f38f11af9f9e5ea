/** `deno task bench:tunnel`: the whole of Postern beside its peers, in one run on one machine. See ../README.md. */
import { TempDir } from "../../tests/support/temp_dir.ts";
import { print, printError } from "../../tools/print.ts";
import { CELLS } from "./cells.ts";
import { requestTool } from "./load/requests.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { startOrigin } from "./origin.ts";
import { type Peer, PEER_DIRECTORY, PEERS, type Tunnel } from "./peers/mod.ts";
import { markdownTable, type Setting, textTable, withTable } from "./report.ts";
import { Results } from "./results.ts";

const README = new URL("../../README.md", import.meta.url);
const DATA = new URL("../../docs/bench/tunnel.json", import.meta.url);

/** Time in which compilers of both sides get warm before anything counts. */
const WARM_UP_MS = 3_000;

/** Everything that runs; stopped at the end, also after Ctrl-C. */
const running = new AsyncDisposableStack();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => running.disposeAsync().finally(() => Deno.exit(130)));
}
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
  try {
    const peers = await installed(options);
    const { results, setting } = await measure(options, peers);
    for (const failure of results.failures) printError(failure);
    if (options.json) { for (const line of results.comparisons(setting.peers)) print(JSON.stringify(line)); }
    else print(textTable(results, setting));
    if (options.write) await write(results, setting);
    return results.failures.length === 0 ? 0 : 1;
  } catch (error) {
    printError(`Cannot run the bench: ${reason(error)}`);
    return 1;
  } finally {
    await running.disposeAsync();
  }
}

/** The peers that can run here; the others are named on standard error. */
async function installed(options: Options): Promise<{ peer: Peer; description: string }[]> {
  const found: { peer: Peer; description: string }[] = [];
  for (const peer of PEERS.filter(({ name }) => options.peers.includes(name))) {
    let description = await peer.describe();
    if (description === undefined && options.installPeers && peer.install !== undefined) {
      printError(`bench: installing ${peer.name}`);
      await Deno.mkdir(PEER_DIRECTORY, { recursive: true });
      await peer.install(PEER_DIRECTORY);
      description = await peer.describe();
    }
    if (description !== undefined) found.push({ peer, description });
    else {printError(
        `bench: ${peer.name} is not installed${peer.install ? " (--install-peers gets it)" : ""}`,
      );}
  }
  return found;
}

async function measure(
  options: Options,
  peers: readonly { peer: Peer; description: string }[],
): Promise<{ results: Results; setting: Setting }> {
  const durationMs = options.seconds * 1000;
  const results = new Results();
  const origin = running.use(await startOrigin());
  const tunnels = new Map<string, Tunnel>();
  for (const { peer } of peers) {
    const folder = running.use(await TempDir.make("bench-tunnel"));
    const { binary, denoFlags } = options;
    tunnels.set(peer.name, running.use(await peer.start({ origin, binary, denoFlags, folder: folder.path })));
  }
  const cells = CELLS.filter(({ name }) =>
    options.only.length === 0 || options.only.some((prefix) => name.startsWith(prefix))
  );
  const run = async (when: "first" | "rounds" | "last", round: string, cellMs: number, keep = true) => {
    for (const cell of cells.filter((cell) => cell.when === when)) {
      for (const [peer, tunnel] of tunnels) {
        printError(`bench: ${round} ${cell.name} ${peer}`);
        try {
          const values = await cell.run(tunnel, cellMs);
          if (keep) results.add(peer, values);
        } catch (error) {
          results.failures.push(`bench: ${peer} failed at ${cell.name} (${round}): ${reason(error)}`);
        }
      }
    }
  };
  await run("first", "idle", durationMs);
  await run("rounds", "warm-up", WARM_UP_MS, false);
  for (let round = 1; round <= options.rounds; round++) await run("rounds", `round ${round}`, durationMs);
  await run("last", "end", durationMs);
  const setting: Setting = {
    peers: [...tunnels.keys()],
    descriptions: peers.filter(({ peer }) => peer.name !== "direct").map(({ description }) => description),
    machine: await machine(),
    rounds: options.rounds,
    secondsPerCell: options.seconds,
    requestTool: requestTool === "wrk" ? "wrk -t1" : "built-in generator",
    httpOrigin: origin.httpName,
    command: `\`deno task bench:tunnel${Deno.args.map((arg) => ` ${arg}`).join("")}\``,
  };
  return { results, setting };
}

async function write(results: Results, setting: Setting): Promise<void> {
  const comparisons = results.comparisons(setting.peers);
  await Deno.mkdir(new URL(".", DATA), { recursive: true });
  await Deno.writeTextFile(DATA, `${JSON.stringify({ setting, comparisons }, null, 2)}\n`);
  let text: string;
  try {
    text = await Deno.readTextFile(README);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return printError("bench: there is no README.md to update");
  }
  const updated = withTable(text, markdownTable(results, setting));
  if (updated === undefined) return printError("bench: README.md has no place for the table");
  await Deno.writeTextFile(README, updated);
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
