/** What every store must do about routes of other issuers' subjects. */
import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import type { RouteClaim, Store } from "../../src/ports/mod.ts";
import { claimOf, type StoreHarness } from "./store.ts";

const nowMs = Date.UTC(2026, 0, 1);

const routesOf = (change: Partial<RouteClaim> = {}): RouteClaim => ({
  subject: "x-issuer:one",
  names: ["shop"],
  pairedNames: ["*.shop"],
  tcpPorts: [],
  udpPorts: [],
  nowMs,
  forgetBeforeMs: nowMs - 1_000,
  ...change,
});

/** Registers the suite for one kind of store. */
export function routeStoreContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(nowMs);
      await body(await harness.open());
    });

  test("claimRoutes() gives a route to its subject again and again, and to nobody else", async (store) => {
    assert.equal(await store.claimRoutes(routesOf()), undefined);
    assert.equal(await store.claimRoutes(routesOf()), undefined);
    assert.equal(await store.claimRoutes(routesOf({ subject: "x-issuer:two" })), "shop");
    const below = routesOf({ subject: "x-issuer:two", names: ["*.shop"], pairedNames: ["shop"] });
    assert.equal(await store.claimRoutes(below), "shop", "nobody speaks below another's name");
    const ports = { names: [], pairedNames: [], tcpPorts: [20_000], udpPorts: [20_001] };
    assert.equal(await store.claimRoutes(routesOf(ports)), undefined);
    assert.equal(await store.claimRoutes(routesOf({ ...ports, subject: "x-issuer:two" })), "tcp 20000");
    const other = { ...ports, tcpPorts: [], subject: "x-issuer:two" };
    assert.equal(await store.claimRoutes(routesOf(other)), "udp 20001");
    assert.equal(
      await store.claimRoutes(routesOf({ ...other, udpPorts: [20_000] })),
      undefined,
      "udp is not tcp",
    );
  });

  test("claimRoutes() binds all of a claim or nothing", async (store) => {
    await store.claimRoutes(routesOf());
    const both = routesOf({ subject: "x-issuer:two", names: ["free", "shop"], pairedNames: [] });
    assert.equal(await store.claimRoutes(both), "shop");
    assert.equal(
      await store.claimRoutes(
        routesOf({ subject: "x-issuer:three", names: ["free"], pairedNames: ["*.free"] }),
      ),
      undefined,
    );
  });

  test("claimRoutes() and claimTunnel() never give one route to two", async (store) => {
    const ports = { first: 20_000, last: 20_001 };
    const tcp = claimOf({ tunnelId: "tun_tcp", name: "tcp", protocol: "tcp", ports });
    await store.claimTunnel(claimOf());
    await store.claimTunnel(tcp);
    assert.equal(
      await store.claimRoutes(routesOf({ names: ["demo"], pairedNames: [] })),
      "demo",
    );
    const port = (await store.tunnelByName("tcp"))!.publicPort!;
    const withPort = (tcpPort: number) => routesOf({ names: [], pairedNames: [], tcpPorts: [tcpPort] });
    assert.equal(await store.claimRoutes(withPort(port)), `tcp ${port}`);
    assert.equal(await store.claimRoutes(withPort(port === 20_000 ? 20_001 : 20_000)), undefined);
    const next = await store.claimTunnel({ ...tcp, tunnelId: "tun_next", name: "next" });
    assert.equal(next.outcome, "no_port");

    await store.claimRoutes(routesOf());
    const taken = await store.claimTunnel(claimOf({ tunnelId: "tun_2", name: "shop" }));
    assert.ok(taken.outcome === "name_taken");
    assert.deepEqual([taken.holder.owner, taken.holder.name], ["x-issuer:one", "shop"]);
    const below = claimOf({ tunnelId: "tun_3", name: "*.shop", pairedName: "shop" });
    assert.equal((await store.claimTunnel(below)).outcome, "name_taken");
    assert.equal(await store.tunnelByName("shop"), undefined, "it is no tunnel");
  });

  test("claimRoutes() forgets what was not claimed for long, and nothing else: token_routes_full", async (store) => {
    for (const name of ["one", "two", "three", "four"]) {
      await store.claimRoutes(routesOf({ names: [name], pairedNames: [] }));
    }
    const fifth = routesOf({ names: ["five"], pairedNames: [] });
    await assert.rejects(
      store.claimRoutes(fifth),
      (error) => (assert.equal(codeOf(error), "token_routes_full"), true),
    );
    await store.claimRoutes(routesOf({ names: ["two"], pairedNames: [], nowMs: nowMs + 500 }));
    const later = { nowMs: nowMs + 1_200, forgetBeforeMs: nowMs + 200 };
    assert.equal(await store.claimRoutes({ ...fifth, ...later }), undefined);
    const others = { subject: "x-issuer:two", pairedNames: [], ...later };
    assert.equal(await store.claimRoutes(routesOf({ ...others, names: ["two"] })), "two");
    assert.equal(await store.claimRoutes(routesOf({ ...others, names: ["one"] })), undefined);
  });

  test("knowsFamily() is true of what was given out, until it has ended, and for the newest of too many", async (store) => {
    const note = (family: string, owner: string, lifeMs: number) =>
      store.noteFamily({ family, owner, endsAtMs: nowMs + lifeMs });
    await note("over", "alice", 0);
    assert.equal(await store.knowsFamily({ owner: "alice" }), false);
    await note("f1", "alice", 1_000);
    await note("f1", "mallory", 9_000);
    assert.deepEqual(
      [await store.knowsFamily({ owner: "alice" }), await store.knowsFamily({ family: "f1" })],
      [true, true],
    );
    assert.equal(await store.knowsFamily({ owner: "mallory" }), false, "a family has one owner");
    for (const [n, family] of ["f2", "f3"].entries()) await note(family, "bob", 2_000 + n);
    assert.equal(await store.knowsFamily({ family: "f1" }), false, "it ends first");
    assert.equal(await store.knowsFamily({ owner: "bob" }), true);
  });
}
