import assert from "node:assert/strict";
import { bulk } from "../../../bench/tunnel/load/bulk.ts";
import { connectRate, withIdle } from "../../../bench/tunnel/load/connects.ts";
import { parseWrk } from "../../../bench/tunnel/load/requests.ts";
import { roundTrip, twoWritesDown, twoWritesUp } from "../../../bench/tunnel/load/round_trip.ts";
import { median, percentile } from "../../../bench/tunnel/load/statistics.ts";
import { parseOptions } from "../../../bench/tunnel/options.ts";
import { parseProcessorMs, parseResidentMiB, residentMiB } from "../../../bench/tunnel/processes.ts";
import { Process } from "../../support/process.ts";

const WRK = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 48 connections
  Latency Distribution
     50%  845.00us
     75%    1.02ms
     90%    1.40ms
     99%    1.02s
  58310 requests in 1.10s, 70.20MB read
Requests/sec:  53009.10
`;

Deno.test("parseWrk() reads rate and percentiles in every unit", () => {
  assert.deepEqual(parseWrk(WRK), { perSecond: 53009.1, p50Ms: 0.845, p99Ms: 1020, requests: 58310 });
});

Deno.test("parseWrk() refuses a run with failed requests, or with none", () => {
  assert.throws(() => parseWrk(`${WRK}  Non-2xx or 3xx responses: 3\n`), /Non-2xx or 3xx responses: 3/);
  assert.throws(() => parseWrk(`${WRK}  Socket errors: connect 0, read 9, write 0, timeout 0\n`), /read 9/);
  assert.throws(() => parseWrk("", "unable to connect"), /unable to connect/);
});

Deno.test("percentile() is the nearest rank, median() the middle", () => {
  assert.equal(percentile([3, 1, 2, 4], 0.5), 2);
  assert.equal(percentile([3, 1, 2, 4], 0.99), 4);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([1, 2]), 1.5);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("parseProcessorMs() is not misled by a name with spaces and parentheses", () => {
  const stat = "12 (a) b (c) S 1 12 12 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 1 0 100 0 0";
  assert.equal(parseProcessorMs(stat), 2000);
});

Deno.test("parseResidentMiB() reads what the kernel says", async () => {
  assert.equal(parseResidentMiB("Name:\tx\nVmRSS:\t    2048 kB\n"), 2);
  assert.ok(await residentMiB(Deno.pid) > 1);
});

Deno.test("parseOptions() takes quick, values in both forms, and refuses what it does not know", () => {
  const quick = parseOptions(["--quick", "--only=bulk,tcp.c48", "--peers", "postern,chisel"]);
  assert.deepEqual([quick.rounds, quick.seconds], [1, 1]);
  assert.deepEqual(quick.only, ["bulk", "tcp.c48"]);
  assert.deepEqual(quick.peers, ["postern", "chisel"]);
  assert.deepEqual(parseOptions(["--deno-flags=--v8-flags=--prof"]).denoFlags, ["--v8-flags=--prof"]);
  assert.throws(() => parseOptions(["--peers", "nobody"]), /unknown peer nobody/);
  assert.throws(() => parseOptions(["--rounds", "0"]), /--rounds is a number/);
  assert.throws(() => parseOptions(["--quick=yes"]), /unknown argument/);
  assert.throws(() => parseOptions(["fast"]), /unknown argument fast/);
});

Deno.test("every load runs against the lab server", async () => {
  await using lab = Process.start(Deno.execPath(), {
    args: ["run", "--allow-net=127.0.0.1", "bench/tunnel/lab/server.ts"],
  });
  const [line] = await lab.waitFor(/\{.*\}/);
  const target = { hostname: "127.0.0.1", port: JSON.parse(line).port as number };
  assert.ok(await bulk(target, "up", 2, 20) > 0);
  assert.ok(await bulk(target, "down", 2, 20) > 0);
  assert.ok(await connectRate(target, 20) > 0);
  assert.equal(await withIdle(target, 10, 0, () => Promise.resolve("looked")), "looked");
  for (const load of [roundTrip, twoWritesUp, twoWritesDown]) {
    const { p50Ms, p99Ms } = await load(target, 20);
    assert.ok(p50Ms > 0 && p99Ms >= p50Ms);
  }
});
