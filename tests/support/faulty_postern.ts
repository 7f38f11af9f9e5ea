/**
 * `postern` whose workers end by a fault of their own when a test says so: when a file of the worker's name, such as
 * `worker-0`, appears in the directory FAULTS.
 */
import { runCommandLine } from "../../cli/run.ts";
import { processTerminal } from "../../cli/terminal.ts";
import { runWorker } from "../../src/worker.ts";

const env = Deno.env.toObject();
if ("DedicatedWorkerGlobalScope" in globalThis) {
  runWorker([]);
  const wanted = `/${(globalThis as unknown as { name: string }).name.replace(" ", "-")}`;
  for await (const { kind, paths } of Deno.watchFs(env.FAULTS)) {
    if (kind === "create" && paths.some((path) => path.endsWith(wanted))) throw new Error("injected fault");
  }
} else Deno.exit(await runCommandLine(Deno.args, env, processTerminal(env)));
