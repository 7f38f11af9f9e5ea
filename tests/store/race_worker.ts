/** One of several threads that spend the same ids in one file; posts how many it got. */
import { openSqliteStore } from "../../src/store/mod.ts";

self.addEventListener(
  "message",
  async (event: MessageEvent<{ path: string; ids: string[]; expiresAtMs: number }>) => {
    const store = openSqliteStore(event.data.path, { busyTimeoutMs: 30_000 });
    const won: string[] = [];
    for (const id of event.data.ids) {
      if (await store.consumeOnce("stage0", id, event.data.expiresAtMs)) won.push(id);
    }
    await store.close();
    self.postMessage(won);
  },
);
