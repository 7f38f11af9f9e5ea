import assert from "node:assert/strict";
import { claimOf, type StoreHarness } from "./store.ts";

/** What holds of private services, whatever keeps them. */
export function privateTunnelContract(name: string, make: () => Promise<StoreHarness>): void {
  const contract = (what: string, work: (harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using harness = await make();
      await work(harness);
    });

  contract(
    "a private service's name is its owner's alone: others and public names may be the same",
    async (harness) => {
      const store = await harness.open();
      const claim = (tunnelId: string, owner: string, protocol: "private" | "tcp" = "private") =>
        store.claimTunnel(claimOf({ tunnelId, owner, protocol, name: "db", pairedName: undefined }));
      assert.equal((await claim("tun_1", "alice")).outcome, "created");
      assert.equal((await claim("tun_2", "bob")).outcome, "created");
      assert.equal((await claim("tun_3", "carol", "tcp")).outcome, "created");
      const again = await claim("tun_4", "alice");
      assert.deepEqual([again.outcome, again.outcome === "name_taken" && again.holder.tunnelId], [
        "name_taken",
        "tun_1",
      ]);
      const found = await store.privateTunnel("bob", "db");
      assert.deepEqual([found?.tunnelId, found?.name, found?.protocol], ["tun_2", "db", "private"]);
      assert.equal((await store.tunnelByName("db"))?.tunnelId, "tun_3");
      assert.equal((await store.tunnel("tun_1"))?.name, "db");
      assert.deepEqual((await store.tunnelsOf("alice")).map(({ name }) => name), ["db"]);
      assert.equal(await store.privateTunnel("carol", "db"), undefined);
      assert.equal(await store.privateTunnel("alice", "d"), undefined);
      assert.ok(await store.deleteTunnel("tun_1"));
      assert.equal((await claim("tun_4", "alice")).outcome, "created");
    },
  );
}
