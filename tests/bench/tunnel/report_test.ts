/** What the whole-system bench computes and writes; the measuring itself is not a test. */
import assert from "node:assert/strict";
import { plot } from "../../../bench/tunnel/plot.ts";
import {
  markdownTable,
  readmeTable,
  type Setting,
  textTable,
  withTable,
} from "../../../bench/tunnel/report.ts";
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
  omissions: ["bore is not installed"],
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
  assert.match(text, /TCP, 1 stream up +Gbit\/s +5\.00 +– +2\.00 \(2\.50\)/);
  assert.doesNotMatch(text, /8 streams/);
  assert.match(
    markdownTable(sample(), setting),
    /^\| TCP, 1 stream up \| Gbit\/s \| 5\.00 \| – \| 2\.00 \(2\.50\) \|$/m,
  );
});

Deno.test("textTable() leaves ratios out when postern was not measured, and says what is missing", () => {
  const results = new Results();
  results.add("chisel", { "bulk.up.1": 2 });
  const text = textTable(results, { ...setting, peers: ["direct", "chisel"] });
  assert.doesNotMatch(text, /In parentheses|\(\d/);
  assert.match(text, /^Not measured: bore is not installed\.$/m);
});

Deno.test("readmeTable() has main rows only, and ratios to the well-known peers", () => {
  const results = sample();
  results.add("postern-wss", { "bulk.up.1": 3 });
  results.add("postern", { "echo.p99": 1 });
  const table = readmeTable(results, { ...setting, peers: ["postern", "postern-wss", "direct", "chisel"] });
  assert.match(table, /^\| {2}\| unit \| postern \| postern-wss \| ÷ chisel \|$/m);
  assert.match(table, /^\| TCP, 1 stream up \| Gbit\/s \| 5\.00 \| 3\.00 \| 2\.50 \|$/m);
  assert.doesNotMatch(table, /p99/);
});

Deno.test("Results.comparisons() also has postern over TLS beside the others, and no ratio to nothing", () => {
  const results = sample();
  results.add("postern-wss", { "bulk.up.1": 3 });
  results.add("direct", { "bulk.up.1": 0 });
  const lines = results.comparisons(["postern", "postern-wss", "direct", "chisel"])
    .filter(({ metric }) => metric.endsWith("bulk.up.1"))
    .map(({ metric, peer, ratio }) => [metric, peer, ratio]);
  assert.deepEqual(lines, [
    ["bulk.up.1", "postern-wss", 1.667],
    ["bulk.up.1", "direct", null],
    ["bulk.up.1", "chisel", 2.5],
    ["wss.bulk.up.1", "direct", null],
    ["wss.bulk.up.1", "chisel", 1.5],
  ]);
});

Deno.test("plot() draws a dot for each ratio on the better side, and a line for each peer of the curve", () => {
  const results = sample();
  results.add("postern", { "tcp.c48.p50": 1, "rtt.0.up": 1, "rtt.100.up": 0.9 });
  results.add("chisel", { "tcp.c48.p50": 4, "rtt.0.up": 0.9, "rtt.100.up": 0.2 });
  const svg = plot(results, setting);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
  assert.match(svg, /TCP, 1 stream up: 2\.50 times as good as chisel/);
  assert.match(svg, /Requests over TCP mode, c48, p50: 4\.00 times as good as chisel/);
  assert.match(svg, /chisel, 100 ms: 20 %/);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});

Deno.test("plot() of a run with nothing to draw is an empty picture", () => {
  const svg = plot(new Results(), setting);
  assert.doesNotMatch(svg, /NaN|circle/);
});

Deno.test("withTable() replaces what is between the markers, and tells when there are none", () => {
  const before = "# A\n<!-- bench:tunnel:start -->\nold\n<!-- bench:tunnel:end -->\nB\n";
  assert.equal(
    withTable(before, "| new |\n"),
    "# A\n<!-- bench:tunnel:start -->\n\n| new |\n\n<!-- bench:tunnel:end -->\nB\n",
  );
  assert.equal(withTable("# A\n", "| new |"), undefined);
});
