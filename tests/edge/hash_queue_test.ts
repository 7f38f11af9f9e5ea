import assert from "node:assert/strict";
import { HashQueue, MAX_QUEUED_HASHES, MAX_QUEUED_OF_SERVICE } from "../../src/edge/hash_queue.ts";

/** Asks for `count` hashes of the service; what was started is told by `started`. */
function ask(queue: HashQueue, service: object, name: string, count: number, started: string[]) {
  return Array.from({ length: count }, (_, at) => {
    const gate = Promise.withResolvers<string>();
    const run = queue.run(service, () => {
      started.push(`${name}${at}`);
      return gate.promise;
    });
    return { run, gate };
  });
}

Deno.test("HashQueue runs two at a time in order, and goes on behind a failure", async () => {
  const queue = new HashQueue(1);
  const started: string[] = [];
  const [first, second, third, fourth] = ask(queue, {}, "a", 4, started);
  assert.deepEqual(started, ["a0", "a1"]);
  second.gate.resolve("done");
  assert.equal(await second.run, "done");
  assert.deepEqual(started, ["a0", "a1", "a2"]);
  third.gate.reject(new Error("no memory"));
  await assert.rejects(third.run!, /no memory/);
  assert.deepEqual(started, ["a0", "a1", "a2", "a3"]);
  for (const { gate } of [first, fourth]) gate.resolve("");
  await Promise.all([first.run, fourth.run]);
});

Deno.test("HashQueue takes no more than may wait, of one service no more than its part", () => {
  const queue = new HashQueue(1);
  const started: string[] = [];
  const taken = (runs: { run: unknown }[]) => runs.filter(({ run }) => run !== undefined).length;
  assert.equal(taken(ask(queue, {}, "a", 100, started)), 2 + MAX_QUEUED_OF_SERVICE);
  let waiting = MAX_QUEUED_OF_SERVICE;
  while (waiting < MAX_QUEUED_HASHES) waiting += taken(ask(queue, {}, "b", 100, started));
  assert.equal(waiting, MAX_QUEUED_HASHES);
  assert.equal(taken(ask(queue, {}, "c", 1, started)), 0);
});

Deno.test("HashQueue lets a service that has none running go before one that has", async () => {
  const queue = new HashQueue(1);
  const started: string[] = [];
  const many = ask(queue, {}, "a", 10, started);
  const [other] = ask(queue, {}, "b", 1, started);
  many[0].gate.resolve("");
  await many[0].run;
  assert.deepEqual(started, ["a0", "a1", "b0"]);
  other.gate.resolve("");
  await other.run;
  assert.deepEqual(started, ["a0", "a1", "b0", "a2"]);
});
