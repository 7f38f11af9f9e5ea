import assert from "node:assert/strict";
import { parseOptions } from "../../../bench/nodes/options.ts";
import { run, writesOf } from "../../../bench/nodes/run.ts";
import { edgeDefaults } from "../../../src/config/mod.ts";
import { startEdge } from "../../../src/main.ts";
import { TempDir } from "../../support/temp_dir.ts";

/** Shorter than any setting allows: a tenth of it passes before a node renews. */
const lifeMs = 18_000;

Deno.test("20 nodes over real sockets renew on their channels at a life of 18 s: none misses, a write each", async () => {
  await using folder = await TempDir.make("nodes");
  const config = edgeDefaults({
    listen: "127.0.0.1:0",
    admin_listen: "127.0.0.1:0",
    state_directory: folder.file("edge"),
    "nodes.listen": "127.0.0.1:0",
    trusted_proxies: "127.0.0.1/32",
  });
  const edge = await startEdge(
    { ...config, identity: { ...config.identity, connectorMs: lifeMs } },
    { log() {} },
  );
  try {
    const result = await run({
      url: `http://127.0.0.1:${edge.port}`,
      port: edge.nodesPort!,
      token: (await Deno.readTextFile(edge.tokenPath)).trim(),
      metrics: async () => await (await fetch(`http://127.0.0.1:${edge.adminPort}/metrics`)).text(),
    }, {
      nodes: 20,
      seconds: 60,
      folder: folder.path,
      isEnough: ({ renewalMs }) => renewalMs.length >= 20,
    });
    assert.equal(result.missed, 0);
    assert.deepEqual([result.failures, result.losses], [[], []]);
    assert.ok(result.renewals >= 20, `${result.renewals}`);
    assert.equal(result.online, 20);
    assert.ok(result.renewalP50Ms > 0 && result.renewalP50Ms <= result.renewalMaxMs);
    // A renewal is one write; heartbeats of a second are another one.
    const writes = result.writesPerSecond * result.seconds;
    assert.ok(
      writes >= result.renewals && writes <= 2 * result.renewals + 2 * result.seconds + 20,
      `${writes}`,
    );
  } finally {
    await edge.stop();
  }
});

Deno.test("parseOptions() reads flags and refuses what is none", () => {
  assert.deepEqual(parseOptions([]), {
    nodes: 1_000,
    seconds: 60,
    lifeSeconds: 60,
    postgres: false,
    json: false,
  });
  assert.equal(parseOptions(["--nodes", "5", "--json", "--postgres", "--life=90"]).lifeSeconds, 90);
  for (const args of [["--nodes"], ["--nodes=0"], ["--life=59"], ["--json=1"], ["more"]]) {
    assert.throws(() => parseOptions(args));
  }
});

Deno.test("writesOf() reads the count of writes and their time from the page of metrics", () => {
  const page = "postern_store_write_seconds_sum 1.5\npostern_store_write_seconds_count 3\n";
  assert.deepEqual(writesOf(page), { count: 3, seconds: 1.5 });
  assert.throws(() => writesOf(""), /postern_store_write_seconds/);
});
