import assert from "node:assert/strict";
import { METRICS } from "../../../bench/aead/metrics.ts";
import { comparisons, markdownTable, table, withTable } from "../../../bench/aead/report.ts";

const RESULTS = new Map([
  ["seal_64", new Map([["postern", 0.25], ["noble", 0.0125]])],
  ["hash_64", new Map([["hash-wasm", 0.1]])],
]);

Deno.test("comparisons() divides postern by every peer, and leaves out what postern does not do", () => {
  assert.deepEqual(comparisons(RESULTS), [
    { metric: "seal_64", postern: 0.25, peer: "noble", peer_value: 0.0125, ratio: 20 },
  ]);
});

Deno.test("table() has a row for every metric that was measured and a cell for every peer", () => {
  assert.deepEqual(table(RESULTS, METRICS), [
    ["GB/s", "postern", "noble", "hash-wasm"],
    ["seal_64", "0.25", "0.0125 (20.00)", ""],
    ["hash_64", "", "", "0.10"],
  ]);
});

Deno.test("withTable() replaces what stands between the markers, and is undefined without them", () => {
  const text = "a\n<!-- bench:aead:start -->\nold\n<!-- bench:aead:end -->\nb\n";
  const body = markdownTable([["x", "y"], ["1", "2"]]);
  const updated = withTable(text, body);
  assert.equal(
    updated,
    "a\n<!-- bench:aead:start -->\n\n| x   |   y |\n| --- | --: |\n| 1   |   2 |\n\n<!-- bench:aead:end -->\nb\n",
  );
  assert.equal(withTable("nothing", body), undefined);
});

Deno.test("METRICS names seal, open and hash from 64 B to 64 KiB, and small records in batches", () => {
  const ids = METRICS.map(({ id }) => id);
  for (const operation of ["seal", "open", "hash"]) {
    for (const bytes of [64, 256, 1024, 4096, 16384, 65536]) assert.ok(ids.includes(`${operation}_${bytes}`));
  }
  assert.ok(ids.includes("seal_64_batched") && ids.includes("open_64_batched"));
});
