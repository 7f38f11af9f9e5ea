import assert from "node:assert/strict";
import { HeardNodes } from "../../src/control/heard_nodes.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { NodePresence } from "../../src/ports/mod.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

function heard() {
  const clock = new VirtualClock();
  const writes: string[][] = [];
  const logged: unknown[] = [];
  const store = {
    isFailing: false,
    lookups: 0,
    nodeIdentity: (_role: string, id: string) => {
      store.lookups++;
      return Promise.resolve(id.startsWith("stranger") ? undefined : {});
    },
    seeNodes: (nodes: readonly Omit<NodePresence, "firstSeenMs">[]) => {
      if (store.isFailing) return Promise.reject(new PosternError("store_busy"));
      writes.push(nodes.map(({ role, id, lastSeenMs }) => `${role}/${id} ${lastSeenMs - started}`));
      return Promise.resolve();
    },
  };
  const started = clock.wall();
  const nodes = new HeardNodes({
    store: store as unknown as ConstructorParameters<typeof HeardNodes>[0]["store"],
    clock,
    log: (_level, event, fields) => void logged.push([event, fields?.nodes, fields?.code]),
  });
  const hear = (id: string, role: "connector" | "tunneler" = "connector") =>
    nodes.hear({ role, id, version: "1" });
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 5; turn++) await settle();
  };
  return { nodes, store, writes, logged, hear, pass };
}

Deno.test("HeardNodes writes a node that comes alone at once, and those of a second together, each once", async () => {
  const { store, writes, hear, pass } = heard();
  hear("c1");
  await pass(0);
  assert.deepEqual(writes, [["connector/c1 0"]]);
  for (let n = 0; n < 100; n++) hear(`c${n}`);
  await pass(400);
  hear("c1");
  hear("c1", "tunneler");
  assert.equal(writes.length, 1);
  await pass(600);
  assert.equal(writes.length, 2);
  assert.equal(writes[1].length, 101);
  assert.ok(writes[1].includes("connector/c1 400") && writes[1].includes("tunneler/c1 400"));
  await pass(10_000);
  assert.equal(writes.length, 2, "nothing to write");
  assert.equal(store.lookups, 101, "an identity is looked up once");
});

Deno.test("HeardNodes keeps nothing of nodes that were never enrolled, and goes on after a write that fails", async () => {
  const { store, writes, logged, hear, pass } = heard();
  hear("stranger");
  await pass(0);
  assert.deepEqual(writes, []);
  store.isFailing = true;
  hear("c1");
  await pass(1_000);
  assert.deepEqual(logged, [["heartbeats not kept", 1, "store_busy"]]);
  store.isFailing = false;
  hear("c1");
  await pass(1_000);
  assert.equal(writes.length, 1);
});

Deno.test("HeardNodes.close() writes what is left", async () => {
  const { nodes, writes, hear, pass } = heard();
  hear("c1");
  await pass(0);
  hear("c2");
  await nodes.close();
  assert.deepEqual(writes.flat(), ["connector/c1 0", "connector/c2 0"]);
});
