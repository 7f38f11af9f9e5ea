/** Composition root of a worker: what the threads beside the main one of an edge run. */
import { utf8 } from "./bytes/mod.ts";
import { systemClock } from "./driver/mod.ts";
import { createLog } from "./telemetry/mod.ts";
import { WorkerEdge } from "./workers/mod.ts";

/** What a dedicated worker's global scope has (HTML 10.2.1.2). */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/**
 * Serves what the main thread asks until that ends the thread. Call in a worker only.
 * @param early messages that came before
 */
export function runWorker(early: readonly unknown[]): void {
  const scope = globalThis as unknown as WorkerScope;
  const worker = new WorkerEdge(
    { post: (message, transfer) => scope.postMessage(message, transfer) },
    ({ config, index }) =>
      createLog({
        ...config.log,
        wall: () => systemClock.wall(),
        write: (line) => Deno.stderr.writeSync(utf8(line)),
        base: { worker: index },
      }),
  );
  scope.onmessage = ({ data }) => worker.calls.receive(data);
  for (const data of early) worker.calls.receive(data);
}
