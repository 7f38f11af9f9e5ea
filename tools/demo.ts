/**
 * `deno task demo [--attested|--cluster|--private] [--check]`: edge, control, a sample service and an agent in one process on embedded defaults.
 * Serves until Ctrl-C; with `--check` it makes requests through, prints what it saw and ends with 0, or 1 and the reason.
 * With `--attested` the agent's machine has a software TPM: see demo/attested.ts. With `--cluster` there are two edges on
 * one PostgreSQL: see demo/cluster.ts. With `--private` a second agent uses a service that has no public entry: see
 * demo/private.ts.
 */
import { startAgent } from "../agent/mod.ts";
import { agentDefaults, edgeDefaults } from "../src/config/mod.ts";
import { startEdge } from "../src/main.ts";
import { createLog } from "../src/telemetry/mod.ts";
import { attestedDemo } from "./demo/attested.ts";
import { runChecks } from "./demo/check.ts";
import { clusterDemo } from "./demo/cluster.ts";
import { privateDemo } from "./demo/private.ts";
import { freeOr } from "./demo/loopback.ts";
import { startOrigin } from "./demo/origin.ts";
import { print, printError } from "./print.ts";

const NAME = "hello";
/** Longest wait for the service to be online. */
const READY_MS = 20_000;

const known = ["--attested", "--check", "--cluster", "--private", "--verbose"];
const flags = new Set(Deno.args);
for (const flag of flags) {
  if (!known.includes(flag)) {
    printError(`Cannot run the demo: unknown flag ${flag} (known: ${known.join(", ")})`);
    Deno.exit(2);
  }
}
const checking = flags.has("--check");
const log = createLog({
  format: "text",
  level: flags.has("--verbose") ? "debug" : "warn",
  wall: Date.now,
  write: (line) => printError(line.trimEnd()),
});
Deno.exit(await chosen());

function chosen(): Promise<number> {
  if (flags.has("--attested")) return attestedDemo({ checking, log, interrupted: interrupted() });
  if (flags.has("--private")) return privateDemo({ checking, log, interrupted: interrupted() });
  return flags.has("--cluster") ? clusterDemo({ checking, log, interrupted: interrupted() }) : demo();
}

async function demo(): Promise<number> {
  const stateDirectory = checking ? await Deno.makeTempDir({ prefix: "postern-demo-" }) : ".state/demo";
  const origin = startOrigin();
  const port = checking ? 0 : freeOr(8080);
  const edge = await startEdge(
    edgeDefaults({
      listen: `127.0.0.1:${port}`,
      admin_listen: `127.0.0.1:${checking ? 0 : freeOr(9090)}`,
      state_directory: `${stateDirectory}/edge`,
      drain_timeout: "2s",
    }),
    { log },
  );
  const agent = await startAgent(
    agentDefaults({
      control: `http://127.0.0.1:${edge.port}`,
      admin_listen: "off",
      state_directory: `${stateDirectory}/agent`,
      drain_timeout: "2s",
    }, [{ name: NAME, target: `127.0.0.1:${origin.addr.port}` }]),
    { log },
  );
  const stop = async () => {
    await agent.stop();
    await edge.stop();
    await origin.shutdown();
    if (checking) await Deno.remove(stateDirectory, { recursive: true });
  };
  try {
    await Promise.race([agent.ready, agent.finished, lateness()]);
    if (checking) return await check(edge.port, edge.caPath!);
    print(statusBlock(edge.port, edge.adminPort, origin.addr.port, edge.tokenPath, edge.caPath));
    await Promise.race([interrupted(), agent.finished, edge.finished]);
    print("Stopping: open requests may finish.");
    return 0;
  } catch (error) {
    printError(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await stop();
  }
}

async function check(port: number, caPath: string): Promise<number> {
  const caCert = await Deno.readTextFile(caPath);
  const good = await runChecks({ host: `${NAME}.localhost`, port, caCert }, print);
  print(good ? "The demo works." : "The demo does not work: see the lines that say FAIL.");
  return good ? 0 : 1;
}

function statusBlock(
  port: number,
  adminPort: number | undefined,
  originPort: number,
  tokenPath: string,
  caPath: string | undefined,
): string {
  return `
  Postern demo                                             Ctrl-C stops it

  Public URL     http://${NAME}.localhost:${port}/
  Service        127.0.0.1:${originPort}, reached through the agent only
  Control        http://localhost:${port}/openapi.json   also https, authority: ${caPath ?? "none"}
  Admin          http://127.0.0.1:${adminPort ?? 0}/status   /metrics   /readyz

  Publish your own:   deno task postern http 3000 --name mine
  As an operator:     --token-file ${tokenPath}
`;
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => resolve());
  });
}

function lateness(): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error("the service did not come online in time")), READY_MS);
    Deno.unrefTimer(timer);
  });
}
