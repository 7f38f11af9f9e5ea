/** What every store must do with versions of policies. */
import assert from "node:assert/strict";
import type { PolicyRecord, Store } from "../../src/ports/mod.ts";
import type { StoreHarness } from "./store.ts";

const startMs = Date.UTC(2026, 0, 1);

const recordOf = (name: string, version: number, change: Partial<PolicyRecord> = {}): PolicyRecord => ({
  name,
  version,
  body: `{"of":"${name}@${version}"}`,
  appliedBy: "operator",
  appliedAtMs: startMs + version,
  overlapUntilMs: startMs,
  ...change,
});

const many = 9;

/** Registers the suite for one kind of store. */
export function policyStoreContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store, harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(startMs);
      await body(await harness.open(), harness);
    });
  const apply = async (store: Store, record: PolicyRecord) =>
    await store.applyPolicy(record, await store.policyRevision(), many);

  test("applyPolicy() adds the next version of a name, and no other", async (store) => {
    assert.deepEqual(await store.policies(), { revision: 0, value: [] });
    assert.equal(await apply(store, recordOf("a", 2)), "outdated");
    assert.equal(await apply(store, recordOf("a", 1)), "applied");
    assert.equal(await apply(store, recordOf("a", 1)), "outdated");
    assert.equal(await apply(store, recordOf("a", 3)), "outdated");
    assert.equal(await apply(store, recordOf("a", 2, { overlapUntilMs: startMs + 5 })), "applied");
    assert.deepEqual(await store.policyVersions("a"), [
      recordOf("a", 2, { overlapUntilMs: startMs + 5 }),
      recordOf("a", 1),
    ]);
    assert.deepEqual(await store.policyVersions("b"), []);
  });

  test("applyPolicy() fails when anything was applied since", async (store) => {
    const revision = await store.policyRevision();
    assert.equal(await store.applyPolicy(recordOf("a", 1), revision, many), "applied");
    assert.equal(await store.applyPolicy(recordOf("b", 1), revision, many), "outdated");
    assert.ok(await store.policyRevision() > revision);
    assert.equal(await apply(store, recordOf("b", 1)), "applied");
  });

  test("applyPolicy() of two connections at once succeeds for one", async (store, harness) => {
    const other = harness.shared ? await harness.open() : store;
    const revision = await store.policyRevision();
    const outcomes = await Promise.all(
      [store, other].map((one, at) =>
        one.applyPolicy(recordOf("a", 1, { body: `{"by":${at}}` }), revision, many)
      ),
    );
    assert.deepEqual(outcomes.sort(), ["applied", "outdated"]);
    assert.equal((await store.policies()).value.length, 1);
  });

  test("applyPolicy() holds the limit of names, not that of versions", async (store) => {
    assert.equal(await store.applyPolicy(recordOf("a", 1), 0, 1), "applied");
    assert.equal(await store.applyPolicy(recordOf("b", 1), await store.policyRevision(), 1), "too_many");
    assert.equal(await store.applyPolicy(recordOf("a", 2), await store.policyRevision(), 1), "applied");
  });

  test("policies() are the two newest versions of each name, and older ones are forgotten", async (store) => {
    for (const version of [1, 2, 3, 4]) await apply(store, recordOf("b", version));
    await apply(store, recordOf("a", 1));
    const { value, revision } = await store.policies();
    assert.deepEqual(value, [recordOf("a", 1), recordOf("b", 4), recordOf("b", 3)]);
    assert.equal(revision, await store.policyRevision());
    const versions = (await store.policyVersions("b")).map(({ version }) => version);
    assert.deepEqual(versions, [4, 3, 2], "contractLimits.maxPolicyVersions");
  });
}
