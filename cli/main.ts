/** The `postern` program, and what the further threads of an edge run. */
import { processTerminal } from "./terminal.ts";

if (import.meta.main) {
  if ("DedicatedWorkerGlobalScope" in globalThis) await runThread();
  else {
    const { runCommandLine } = await import("./run.ts");
    const env = Deno.env.toObject();
    Deno.exit(await runCommandLine(Deno.args, env, processTerminal(env)));
  }
}

/** What comes while the program loads waits for it. */
async function runThread(): Promise<void> {
  const early: unknown[] = [];
  const scope = globalThis as unknown as { onmessage: (event: MessageEvent) => void };
  scope.onmessage = ({ data }) => early.push(data);
  const { runWorker } = await import("../src/worker.ts");
  runWorker(early);
}
