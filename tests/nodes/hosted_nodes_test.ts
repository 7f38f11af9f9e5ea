import assert from "node:assert/strict";
import { systemClock } from "../../src/driver/mod.ts";
import { type HostedNode, HostedNodes, type HostedNodesOptions, NodeCaller } from "../../src/nodes/mod.ts";
import { MadeCluster } from "../support/made_cluster.ts";
import { makeIdentity } from "../support/node_identities.ts";
import { NodePair, noLog, random } from "./node_pair.ts";

/** Values as they come. */
class Heard<T> {
  readonly all: T[] = [];
  #wake: (() => void)[] = [];

  readonly add = (value: T): void => {
    this.all.push(value);
    for (const wake of this.#wake.splice(0)) wake();
  };

  async until(holds: (all: readonly T[]) => boolean): Promise<void> {
    while (!holds(this.all)) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

let cluster: MadeCluster;
Deno.test.beforeAll(async () => {
  cluster = await MadeCluster.make("tunnel.test", Date.now());
});

async function host(id: string, options: Partial<HostedNodesOptions> = {}): Promise<HostedNodes> {
  return new HostedNodes({
    listen: { host: "127.0.0.1", port: 0 },
    identity: await makeIdentity(cluster, "control", id),
    expected: { expectedRole: "connector" },
    clock: systemClock,
    random,
    log: noLog,
    maxNodes: 10,
    onHandshake: () => {},
    times: { heartbeatMs: 100, offlineMs: 5_000 },
    ...options,
  });
}

async function caller(ports: readonly number[], lost: Heard<string>, log = noLog): Promise<NodeCaller> {
  const made = new NodeCaller({
    addresses: ports.map((port) => ({ host: "127.0.0.1", port })),
    expected: { expectedRole: "control" },
    identity: await makeIdentity(cluster, "connector", "c1"),
    clock: systemClock,
    // No wait between attempts.
    random: (bytes) => bytes === 4 ? new Uint8Array(4) : random(bytes),
    log,
    facts: { version: "1.0.0" },
    onLost: lost.add,
  });
  made.start();
  return made;
}

Deno.test("NodeCaller goes on to the next host when one stops, and comes online there", async () => {
  const echoes = new Heard<string>();
  const [first, second] = await Promise.all(
    ["k1", "k2"].map((id) => host(id, { onEcho: () => echoes.add(id) })),
  );
  const lost = new Heard<string>();
  const node = await caller([first.port, second.port], lost);
  await echoes.until((all) => all.includes("k1"));
  assert.equal(first.byId("c1")?.isOnline, true);
  assert.equal(node.isOnline, true);
  await first.close();
  await echoes.until((all) => all.includes("k2"));
  assert.deepEqual(lost.all, ["node_host_stopping"]);
  assert.equal(node.lastCode, "node_host_stopping");
  await node.stop();
  await second.close();
});

Deno.test("HostedNodes ends the older channel of a node that comes again with node_replaced", async () => {
  const established = new Heard<HostedNode>();
  const one = await host("k1", { onEstablished: established.add });
  const lost = new Heard<string>();
  const first = await caller([one.port], lost);
  await established.until((all) => all.length === 1);
  const second = await caller([one.port], new Heard<string>());
  await lost.until((all) => all.includes("node_replaced"));
  assert.equal(one.all.length, 1);
  await Promise.all([first.stop(), second.stop()]);
  await one.close();
});

Deno.test("a host's words that are no code of ours are node_closed, and a renewal that nobody answers is given up", async () => {
  const pair = await NodePair.make({ host: { renew: () => new Promise(() => {}) } });
  const renewing = pair.caller.renew(new Uint8Array(10));
  const outcome = assert.rejects(renewing, { code: "node_renewal_timeout" });
  await pair.advance(15_000);
  await outcome;
  pair.host.end("of_a_later_version");
  await pair.settle();
  assert.equal(pair.callerCode, "node_closed");
});
