import assert from "node:assert/strict";
import type { EdgeRecord } from "../../src/ports/mod.ts";
import type { StoreHarness } from "./store.ts";

function edgeOf(instanceId: string, changes: Partial<EdgeRecord> = {}): EdgeRecord {
  return {
    instanceId,
    edgeId: `edge-${instanceId}`,
    edgeUrl: "wss://tunnel.example",
    transport: "wss",
    region: "here",
    priority: 0,
    publicKey: "A".repeat(43),
    seenAtMs: 1_000,
    ...changes,
  };
}

/** What holds of edges and what they serve, whatever keeps them. */
export function edgeStoreContract(name: string, make: () => Promise<StoreHarness>): void {
  const contract = (what: string, work: (harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using harness = await make();
      await work(harness);
    });

  contract(
    "announceEdge() says whether the edge was unknown, and replaces what was said of it",
    async (harness) => {
      const store = await harness.open();
      assert.deepEqual(await store.edges(), []);
      assert.equal(await store.announceEdge(edgeOf("b")), true);
      assert.equal(await store.announceEdge(edgeOf("a")), true);
      const later = edgeOf("b", { edgeUrl: "wss://other.example", seenAtMs: 2_000, priority: 3 });
      assert.equal(await store.announceEdge(later), false);
      assert.deepEqual(await store.edges(), [edgeOf("a"), later]);
    },
  );

  contract("servedBy() tells every edge that serves the tunnel, as it said last", async (harness) => {
    const store = await harness.open();
    await store.announceServed("a", [
      { tunnelId: "t1", agents: 2, tiers: ["tpm", "bound-key"] },
      { tunnelId: "t2", agents: 1, tiers: [] },
    ]);
    await store.announceServed("b", [{ tunnelId: "t1", agents: 1, tiers: ["tpm"] }]);
    assert.deepEqual(await store.servedBy("t1"), [
      { instanceId: "a", tunnelId: "t1", agents: 2, tiers: ["tpm", "bound-key"] },
      { instanceId: "b", tunnelId: "t1", agents: 1, tiers: ["tpm"] },
    ]);
    assert.deepEqual(await store.servedBy("t2"), [{ instanceId: "a", tunnelId: "t2", agents: 1, tiers: [] }]);
    await store.announceServed("a", [
      { tunnelId: "t1", agents: 0, tiers: [] },
      { tunnelId: "t2", agents: 3, tiers: ["tpm"] },
    ]);
    assert.deepEqual((await store.servedBy("t1")).map(({ instanceId }) => instanceId), ["b"]);
    assert.deepEqual((await store.servedBy("t2")).map(({ agents }) => agents), [3]);
    assert.deepEqual(await store.servedBy("t3"), []);
  });

  contract("announceServed() writes more than one batch", async (harness) => {
    const store = await harness.open();
    const tunnels = Array.from({ length: 450 }, (_, at) => ({ tunnelId: `t${at}`, agents: 1, tiers: [] }));
    await store.announceServed("a", tunnels);
    assert.equal((await store.servedBy("t449")).length, 1);
  });

  contract("withdrawEdge() and forgetEdges() take what was served with them", async (harness) => {
    const store = await harness.open();
    const served = [{ tunnelId: "t", agents: 1, tiers: [] }];
    for (
      const edge of [
        edgeOf("a"),
        edgeOf("b", { edgeId: "edge-x" }),
        edgeOf("c", { edgeId: "edge-x", seenAtMs: 9_000 }),
        edgeOf("d", { seenAtMs: 5_000 }),
        edgeOf("e", { seenAtMs: 5_001 }),
      ]
    ) {
      await store.announceEdge(edge);
      await store.announceServed(edge.instanceId, served);
    }
    const left = async () => [
      (await store.edges()).map(({ instanceId }) => instanceId).sort().join(""),
      (await store.servedBy("t")).map(({ instanceId }) => instanceId).join(""),
    ];
    await store.withdrawEdge("a");
    await store.withdrawEdge("nobody");
    assert.deepEqual(await left(), ["bcde", "bcde"]);
    await store.forgetEdges("edge-x", 0);
    assert.deepEqual(await left(), ["de", "de"]);
    await store.forgetEdges(undefined, 5_001);
    assert.deepEqual(await left(), ["e", "e"]);
    assert.equal(await store.announceEdge(edgeOf("a")), true);
  });
}
