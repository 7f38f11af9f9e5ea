/** What the whole-system bench computes and writes; the measuring itself is not a test. */
import assert from "node:assert/strict";
import { markdownTable, type Setting, textTable, withTable } from "../../../bench/tunnel/report.ts";
import { Results } from "../../../bench/tunnel/results.ts";

const setting: Setting = {
  peers: ["postern", "direct", "chisel"],
  descriptions: ["postern 1"],
  machine: "a machine",
  rounds: 3,
  secondsPerCell: 1,
  requestTool: "wrk",
  httpOrigin: "nginx",
  command: "`deno task bench:tunnel`",
};

function sample(): Results {
  const results = new Results();
  for (const value of [4, 6, 5]) results.add("postern", { "bulk.up.1": value, "echo.p50": value / 10 });
  for (const value of [2, 2, 9]) results.add("chisel", { "bulk.up.1": value, "echo.p50": 1 });
  results.add("direct", { "echo.p50": 0.1 });
  return results;
}

Deno.test("Results.comparisons() gives medians and postern / peer for what both have", () => {
  const lines = sample().comparisons(setting.peers);
  assert.deepEqual(lines.filter(({ metric }) => metric === "bulk.up.1"), [
    { metric: "bulk.up.1", postern: 5, peer: "chisel", peer_value: 2, ratio: 2.5 },
  ]);
  assert.deepEqual(
    lines.filter(({ metric }) => metric === "echo.p50").map(({ peer, ratio }) => [peer, ratio]),
    [["direct", 5], ["chisel", 0.5]],
  );
});

Deno.test("Results.value() derives added latency from the direct round trip", () => {
  const results = sample();
  assert.equal(results.value("postern", "echo.added"), 0.4);
  assert.equal(results.value("direct", "echo.added"), undefined);
});

Deno.test("textTable() and markdownTable() have a row for each measured metric and no other", () => {
  const text = textTable(sample(), setting);
  assert.match(text, /TCP, 1 stream up +Gbit\/s +5\.00 +– +– +2\.00 +2\.50/);
  assert.doesNotMatch(text, /8 streams/);
  assert.match(
    markdownTable(sample(), setting),
    /^\| TCP, 1 stream up \| Gbit\/s \| 5\.00 \| – \| – \| 2\.00 \| 2\.50 \|$/m,
  );
});

Deno.test("textTable() leaves ratios out when postern was not measured", () => {
  const text = textTable(sample(), { ...setting, peers: ["direct", "chisel"] });
  assert.doesNotMatch(text, /postern \//);
});

Deno.test("withTable() replaces what is between the markers, and tells when there are none", () => {
  const before = "# A\n<!-- bench:tunnel:start -->\nold\n<!-- bench:tunnel:end -->\nB\n";
  assert.equal(
    withTable(before, "| new |\n"),
    "# A\n<!-- bench:tunnel:start -->\n\n| new |\n\n<!-- bench:tunnel:end -->\nB\n",
  );
  assert.equal(withTable("# A\n", "| new |"), undefined);
});
