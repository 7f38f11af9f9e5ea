import assert from "node:assert/strict";
import type { PendingPair } from "../../src/ports/mod.ts";
import { contractStartMs, type StoreHarness } from "./store.ts";

/** Limits of the contract. */
const maxPending = 4;

function pairOf(at: number, changes: Partial<PendingPair> = {}): PendingPair {
  return {
    tenant: "alice",
    channelId: `channel-${at}`,
    owner: "bob",
    tunnelId: "tun_1",
    secretSha256: `${at}`.padStart(64, "0"),
    sealedKey: "AAAA",
    initExpireAtMs: contractStartMs + 120_000,
    tokens: { client: `client-${at}`, server: `server-${at}`, expireAtMs: contractStartMs + 60_000 },
    reissues: 0,
    ...changes,
  };
}

/** What holds of pairs of grants, whatever keeps them. */
export function grantStoreContract(name: string, make: () => Promise<StoreHarness>): void {
  const contract = (what: string, work: (harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using harness = await make();
      await work(harness);
    });

  contract("pendingPair() tells what putPendingPair() kept, until the window is over", async (harness) => {
    const store = await harness.open();
    const pair = pairOf(1, { clientKey: "K".repeat(43) });
    assert.equal(await store.putPendingPair(pair, 9), "kept");
    assert.equal(await store.putPendingPair(pairOf(2), 9), "kept");
    assert.deepEqual(await store.pendingPair(pair.secretSha256), pair);
    assert.deepEqual(await store.pendingPair(pairOf(2).secretSha256), pairOf(2));
    assert.equal(await store.pendingPair("f".repeat(64)), undefined);
    harness.setWall(pair.initExpireAtMs - 1);
    assert.notEqual(await store.pendingPair(pair.secretSha256), undefined);
    harness.setWall(pair.initExpireAtMs);
    assert.equal(await store.pendingPair(pair.secretSha256), undefined);
    assert.equal(await store.replacePendingTokens(pair.secretSha256, 0, pair.tokens), false);
  });

  contract(
    "putPendingPair() gives an id of a tenant to one pair, until its window is over",
    async (harness) => {
      const store = await harness.open();
      const first = pairOf(1);
      const again = pairOf(2, { channelId: first.channelId, initExpireAtMs: first.initExpireAtMs + 120_000 });
      assert.equal(await store.putPendingPair(first, 9), "kept");
      assert.equal(await store.putPendingPair(again, 9), "id_taken");
      assert.equal(
        await store.putPendingPair({ ...again, secretSha256: "e".repeat(64), tenant: "carol" }, 9),
        "kept",
      );
      harness.setWall(first.initExpireAtMs);
      assert.equal(await store.putPendingPair(again, 9), "kept");
    },
  );

  contract(
    "putPendingPair() of one owner and of all is bounded; of two at once one gets the last place",
    async (harness) => {
      const store = await harness.open();
      assert.equal(await store.putPendingPair(pairOf(1), 2), "kept");
      const last = [2, 3].map((at) => store.putPendingPair(pairOf(at), 2));
      assert.deepEqual((await Promise.all(last)).sort(), ["kept", "owner_full"]);
      for (let at = 4; at < maxPending + 2; at++) {
        assert.equal(await store.putPendingPair(pairOf(at, { owner: `o${at}` }), 2), "kept");
      }
      assert.equal(await store.putPendingPair(pairOf(9, { owner: "o9" }), 2), "full");
      await store.dropPendingPair(pairOf(1).secretSha256);
      assert.equal(await store.pendingPair(pairOf(1).secretSha256), undefined);
      assert.equal(await store.putPendingPair(pairOf(9, { owner: "o9" }), 2), "kept");
    },
  );

  contract("putPendingPair() bounds the pairs of one owner to one tunnel", async (harness) => {
    const store = await harness.open();
    assert.equal(await store.putPendingPair(pairOf(1), 9, 1), "kept");
    assert.equal(await store.putPendingPair(pairOf(2), 9, 1), "owner_full");
    assert.equal(await store.putPendingPair(pairOf(2), 9), "kept");
    assert.equal(await store.putPendingPair(pairOf(3, { tunnelId: "tun_2" }), 9, 1), "kept");
    assert.equal(await store.putPendingPair(pairOf(4, { owner: "carol" }), 9, 1), "kept");
  });

  contract(
    "a pair whose attach tokens were both used counts no more for its owner, but keeps its id",
    async (harness) => {
      const store = await harness.open();
      const { tokens } = pairOf(1);
      await store.putPendingPair(pairOf(1), 1);
      await store.consumeOnce("attach", tokens.client, tokens.expireAtMs);
      await store.consumeOnce("another kind", tokens.server, tokens.expireAtMs);
      assert.equal(await store.putPendingPair(pairOf(2), 1), "owner_full");
      await store.consumeOnce("attach", tokens.server, tokens.expireAtMs);
      assert.equal(await store.putPendingPair(pairOf(2), 1), "kept");
      assert.equal(await store.putPendingPair(pairOf(3, { channelId: pairOf(1).channelId }), 9), "id_taken");
    },
  );

  contract(
    "replacePendingTokens() lets one of several that saw the same tokens change them",
    async (harness) => {
      const store = await harness.open();
      const { secretSha256 } = pairOf(1);
      await store.putPendingPair(pairOf(1), 9);
      const fresh = (at: number) => ({
        client: `c${at}`,
        server: `s${at}`,
        expireAtMs: contractStartMs + at,
      });
      const outcomes = await Promise.all(
        [1, 2, 3].map((at) => store.replacePendingTokens(secretSha256, 0, fresh(at))),
      );
      const winner = outcomes.indexOf(true) + 1;
      assert.equal(outcomes.filter((won) => won).length, 1);
      assert.deepEqual(
        await store.pendingPair(secretSha256),
        pairOf(1, { tokens: fresh(winner), reissues: 1 }),
      );
      assert.equal(await store.replacePendingTokens(secretSha256, 1, fresh(7)), true);
      assert.equal(await store.replacePendingTokens("f".repeat(64), 0, fresh(7)), false);
    },
  );
}
