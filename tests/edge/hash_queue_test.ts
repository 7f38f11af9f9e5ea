import assert from "node:assert/strict";
import { HashQueue, maxQueuedHashes } from "../../src/edge/hash_queue.ts";

Deno.test("HashQueue runs two at a time in order, and takes no more than may wait", async () => {
  const queue = new HashQueue();
  const started: number[] = [];
  const gates = Array.from({ length: maxQueuedHashes + 3 }, () => Promise.withResolvers<number>());
  const runs = gates.map((gate, at) =>
    queue.run(() => {
      started.push(at);
      return gate.promise;
    })
  );
  assert.deepEqual(started, [0, 1]);
  assert.equal(runs[maxQueuedHashes + 1] === undefined, false);
  assert.equal(runs[maxQueuedHashes + 2], undefined);
  gates[1].resolve(1);
  assert.equal(await runs[1], 1);
  assert.deepEqual(started, [0, 1, 2]);
  gates[2].reject(new Error("no memory"));
  await assert.rejects(runs[2]!, /no memory/);
  assert.deepEqual(started, [0, 1, 2, 3]);
  gates.forEach((gate, at) => gate.resolve(at));
  assert.deepEqual(await Promise.all(runs.slice(3, -1)), gates.map((_, at) => at).slice(3, -1));
});
