import assert from "node:assert/strict";
import type { EdgeDescription, Presence } from "../src/control/mod.ts";
import { chooseEdges } from "../src/control/candidates.ts";
import { BEAT_MS, EdgeDirectory, GONE_MS } from "../src/edge_directory.ts";
import { PosternError } from "../src/errors/mod.ts";
import type { ServedTunnel, Store } from "../src/ports/mod.ts";
import { openSqliteStore } from "../src/store/mod.ts";
import { TempDir } from "./support/temp_dir.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

const offline: Presence = { status: "offline", agents: 0, tiers: [] };
const served: ServedTunnel = { tunnelId: "shop", agents: 2, tiers: ["tpm"] };

/** Edges over one database, each with a clock of its own. */
class Cluster implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly store: Store;
  readonly events: string[] = [];

  constructor(folder: TempDir, store: Store) {
    this.#folder = folder;
    this.store = store;
  }

  static async make(): Promise<Cluster> {
    const folder = await TempDir.make("directory");
    return new Cluster(folder, await openSqliteStore(folder.file("postern.db"), {}));
  }

  async edge(
    edgeId: string,
    { clock = new VirtualClock(), instanceId = edgeId, takesOver = false, isDown = (): boolean => false } =
      {},
  ) {
    const serves: ServedTunnel[] = [];
    const own: EdgeDescription = {
      edgeId,
      edgeUrl: `wss://${instanceId}.example`,
      transport: "wss",
      region: "here",
      priority: 0,
      publicKey: "A".repeat(43),
    };
    const reach = <T>(work: () => Promise<T>) =>
      isDown() ? Promise.reject(new PosternError("store_unreachable")) : work();
    const directory = new EdgeDirectory({
      store: {
        ...this.store,
        edges: () => reach(() => this.store.edges()),
        forgetEdges: (id, seenBeforeMs) => reach(() => this.store.forgetEdges(id, seenBeforeMs)),
      },
      clock,
      log: (_level, event, fields) =>
        this.events.push(`${edgeId}: ${event} ${fields?.edge_id ?? fields?.code}`),
      instanceId,
      own: () => own,
      served: () => serves,
      takesOver,
    });
    await directory.start();
    const names = () => directory.edges().map(({ edgeId }) => edgeId).join(" ");
    /** Time passes, in steps that let the database answer. */
    const after = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        await clock.advanceAsync(1_000);
        await this.store.edges();
        await new Promise((resolve) => setTimeout(resolve));
      }
    };
    return { directory, serves, names, after, clock };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

Deno.test("EdgeDirectory names this edge first, then the others in turn", async () => {
  await using cluster = await Cluster.make();
  const a = await cluster.edge("a");
  assert.equal(a.names(), "a");
  const b = await cluster.edge("b");
  const c = await cluster.edge("c");
  await a.after(3_000);
  await b.after(3_000);
  assert.deepEqual([a.names(), b.names(), c.names()], ["a b c", "b c a", "c a b"]);
  assert.equal(a.directory.edges()[1].edgeUrl, "wss://b.example");
  assert.ok(cluster.events.includes("a: other edge seen b"));
});

Deno.test("EdgeDirectory: an edge that is killed is named for half a minute at most, one that leaves no longer than a look", async () => {
  await using cluster = await Cluster.make();
  const a = await cluster.edge("a");
  const b = await cluster.edge("b");
  const c = await cluster.edge("c");
  await a.after(3_000);
  assert.equal(a.names(), "a b c");
  await c.directory.leave();
  await a.after(2_000);
  assert.equal(a.names(), "a b");
  // b says nothing any more.
  await a.after(GONE_MS);
  assert.equal(a.names(), "a");
  assert.ok(cluster.events.includes("a: other edge is gone b"));
  await b.after(BEAT_MS);
  await a.after(2_000);
  assert.equal(a.names(), "a b");
});

Deno.test("EdgeDirectory does not believe clocks: an edge whose clock is wrong by an hour is there while it beats", async () => {
  await using cluster = await Cluster.make();
  const slow = await cluster.edge("slow", { clock: new VirtualClock(Date.UTC(2026, 0, 1)) });
  const a = await cluster.edge("a", { clock: new VirtualClock(Date.UTC(2026, 0, 1, 0, 5)) });
  assert.equal(a.names(), "a", "it may be one that ended long ago");
  await slow.after(BEAT_MS);
  await a.after(2_000);
  assert.equal(a.names(), "a slow");
  await a.after(GONE_MS + 1_000);
  assert.equal(a.names(), "a");
});

Deno.test("EdgeDirectory.presence() is online where any edge serves the tunnel, and forgets edges that are gone", async () => {
  await using cluster = await Cluster.make();
  const a = await cluster.edge("a");
  const b = await cluster.edge("b");
  assert.deepEqual(await b.directory.presence("shop", offline), offline);
  a.serves.push(served);
  await a.after(2_000);
  assert.deepEqual(await b.directory.presence("shop", offline), {
    status: "online",
    agents: 2,
    tiers: ["tpm"],
  });
  const own: Presence = { status: "online", agents: 1, tiers: ["bound-key"], lastEchoAtMs: 5 };
  assert.deepEqual(await b.directory.presence("shop", own), {
    status: "online",
    agents: 3,
    tiers: ["tpm", "bound-key"],
    lastEchoAtMs: 5,
  });
  a.serves.splice(0);
  await a.after(2_000);
  assert.deepEqual(await b.directory.presence("shop", offline), offline);
  a.serves.push(served);
  await a.after(2_000);
  await b.after(GONE_MS + 3_000);
  assert.deepEqual(await b.directory.presence("shop", offline), offline);
});

Deno.test("EdgeDirectory: an edge that starts again after a kill takes back what it said before; one that takes over does not", async () => {
  await using cluster = await Cluster.make();
  const watcher = await cluster.edge("w");
  const killed = await cluster.edge("a", { instanceId: "a1" });
  killed.serves.push(served);
  await killed.after(2_000);
  await watcher.after(2_000);
  const beside = await cluster.edge("a", { instanceId: "a2", takesOver: true });
  await watcher.after(2_000);
  assert.equal((await watcher.directory.presence("shop", offline)).status, "online");
  assert.deepEqual([watcher.names(), beside.names()], ["w a", "a w"]);
  await cluster.edge("a", { instanceId: "a3" });
  await watcher.after(2_000);
  assert.equal((await watcher.directory.presence("shop", offline)).status, "offline");
  assert.equal(watcher.names(), "w a");
});

Deno.test("EdgeDirectory sends agents elsewhere while its edge drains, if there is anywhere", async () => {
  await using cluster = await Cluster.make();
  const a = await cluster.edge("a");
  const b = await cluster.edge("b");
  await a.after(2_000);
  const left = a.directory.leave();
  assert.equal(a.names(), "b");
  await left;
  await a.directory.leave();
  await b.after(2_000);
  assert.equal(b.names(), "b");
  await b.directory.leave();
  assert.equal(b.names(), "b");
  assert.equal(b.clock.pending + a.clock.pending, 0);
});

Deno.test("EdgeDirectory keeps the others while the database is away, and says so once", async () => {
  await using cluster = await Cluster.make();
  let isAway = false;
  const a = await cluster.edge("a", { isDown: () => isAway });
  const b = await cluster.edge("b");
  await a.after(2_000);
  isAway = true;
  await a.after(3 * GONE_MS);
  assert.equal(a.names(), "a b");
  isAway = false;
  await b.after(BEAT_MS);
  await a.after(2_000);
  assert.equal(a.names(), "a b");
  assert.equal(
    cluster.events.filter((event) => event === "a: other edges not seen store_unreachable").length,
    1,
  );
});

Deno.test("EdgeDirectory tells anew what it serves when the store has forgotten the edge", async () => {
  await using cluster = await Cluster.make();
  const a = await cluster.edge("a");
  const b = await cluster.edge("b");
  a.serves.push(served);
  await a.after(2_000);
  await cluster.store.forgetEdges("a", 0);
  assert.equal((await b.directory.presence("shop", offline)).status, "offline");
  await a.after(BEAT_MS);
  await b.after(2_000);
  assert.equal((await b.directory.presence("shop", offline)).status, "online");
});

Deno.test("EdgeDirectory.drain() has control send agents elsewhere, here and at the others, until it is taken back", async () => {
  await using cluster = await Cluster.make();
  const a = await cluster.edge("a");
  const b = await cluster.edge("b");
  await a.after(2_000);
  const named = (edge: typeof a) =>
    chooseEdges(edge.directory.edges(), undefined, []).edges.map(({ edgeId }) => edgeId).join(" ");
  assert.deepEqual(a.directory.others(), [{ instanceId: "b", edgeId: "b" }]);
  assert.deepEqual([named(a), named(b)], ["a b", "b a"]);
  await a.directory.drain(true);
  assert.ok(a.directory.isDrained);
  await b.after(2_000);
  assert.deepEqual([named(a), named(b)], ["b", "b"]);
  assert.deepEqual([a.names(), b.names()], ["a b", "b a"], "it is there all the same");
  await b.directory.drain(true);
  await a.after(2_000);
  assert.deepEqual([named(a), named(b)], ["a b", "b a"], "better there than nowhere");
  await a.directory.drain(false);
  await b.after(2_000);
  assert.deepEqual([named(a), named(b)], ["a", "a"]);
});
