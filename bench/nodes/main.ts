/** `deno task bench:nodes`: many nodes that renew at short lifetimes, over real sockets. See ../README.md. */
import { freePort } from "../../tests/support/ports.ts";
import { Postgres } from "../../tests/support/postgres.ts";
import { flagsOf, startPostern } from "../../tests/support/stack_processes.ts";
import { TempDir } from "../../tests/support/temp_dir.ts";
import { print, printError } from "../../tools/print.ts";
import { processorMs } from "../tunnel/processes.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { type Result, run } from "./run.ts";

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
    const result = await measured(options);
    const ok = result.missed === 0 && result.losses.length === 0 && result.online === result.nodes;
    print(options.json ? JSON.stringify(result) : table(options, result));
    return ok ? 0 : 1;
  } catch (error) {
    printError(`Cannot run the bench: ${reason(error)}`);
    return 1;
  }
}

async function measured(options: Options): Promise<Result> {
  await using folder = await TempDir.make("bench-nodes");
  await using postgres = options.postgres ? await Postgres.start({ fsync: "on" }) : undefined;
  const url = postgres && await folder.write("database.url", postgres.url);
  const [port, admin, nodesPort] = [freePort(), freePort(), freePort()];
  const edge = startPostern([
    "edge",
    ...flagsOf({
      listen: `127.0.0.1:${port}`,
      admin_listen: `127.0.0.1:${admin}`,
      state_directory: folder.file("edge"),
      "nodes.listen": `127.0.0.1:${nodesPort}`,
      "identity.connector": `${options.lifeSeconds}s`,
      // Each enrollment comes from another address: limits of one address are not what is measured.
      trusted_proxies: "127.0.0.1/32",
      "log.level": "warn",
      ...(url === undefined ? {} : { database_url_file: url }),
    }),
  ], folder);
  // The identities of a thousand nodes are on the disks of a thousand machines, not on the one of control.
  const identities = await Deno.makeTempDir({ dir: await memoryFolder(), prefix: "postern-bench-" });
  try {
    await edge.waitUntil(async () => {
      const response = await fetch(`http://127.0.0.1:${admin}/readyz`).catch(() => undefined);
      await response?.body?.cancel();
      return response?.status === 200;
    });
    const token = (await Deno.readTextFile(folder.file("edge/management.token"))).trim();
    return await run({
      url: `http://127.0.0.1:${port}`,
      port: nodesPort,
      token,
      processorMs: () => processorMs(edge.pid),
      metrics: async () => await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text(),
    }, { nodes: options.nodes, seconds: options.seconds, folder: identities });
  } finally {
    await edge.stop("SIGTERM");
    await Deno.remove(identities, { recursive: true });
  }
}

async function memoryFolder(): Promise<string | undefined> {
  const isThere = await Deno.stat("/dev/shm").then(({ isDirectory }) => isDirectory, () => false);
  return isThere ? "/dev/shm" : undefined;
}

function table(options: Options, result: Result): string {
  const rows: [string, string][] = [
    ["nodes, online at the end", `${result.nodes}, ${result.online}`],
    ["database", options.postgres ? "PostgreSQL" : "SQLite"],
    ["life of a certificate", `${options.lifeSeconds} s`],
    ["enrolled and connected in", `${result.enrollSeconds.toFixed(1)} s`],
    ["measured", `${result.seconds.toFixed(1)} s`],
    ["renewals", `${result.renewals} (${(result.renewals / result.seconds).toFixed(1)} a second)`],
    ["missed, failed, channels lost", `${result.missed}, ${result.failures.length}, ${result.losses.length}`],
    [
      "renewal p50, p99, most",
      [result.renewalP50Ms, result.renewalP99Ms, result.renewalMaxMs].map(ms).join(", "),
    ],
    ["longest stall of the nodes", ms(result.stallMs)],
    ["control, of one processor", `${((result.controlCpu ?? NaN) * 100).toFixed(0)} %`],
    [
      "writes to the database",
      `${result.writesPerSecond.toFixed(1)} a second, ${ms(result.writeMeanMs)} each`,
    ],
  ];
  const counted = [...Map.groupBy([...result.failures, ...result.losses], (one) => one)]
    .slice(0, 10).map(([what, all]) => `  ${all.length} x ${what}`);
  return [...rows.map(([name, value]) => `${name.padEnd(32)}${value}`), ...counted, ""].join("\n");
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
