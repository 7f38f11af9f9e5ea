/** One of several threads that spend the same ids in one file; posts which it got. */
import { openSqliteStore } from "../../src/store/mod.ts";

interface Task {
  readonly path: string;
  readonly ids: readonly string[];
  readonly expiresAtMs: number;
}

// Types are checked for a window; in a worker the global scope is a port to its parent.
const parent = self as unknown as MessagePort;

parent.addEventListener("message", async (event: MessageEvent<Task>) => {
  const store = openSqliteStore(event.data.path, { busyTimeoutMs: 30_000 });
  const won: string[] = [];
  for (const id of event.data.ids) {
    if (await store.consumeOnce("stage0", id, event.data.expiresAtMs)) won.push(id);
  }
  await store.close();
  parent.postMessage(won);
});
