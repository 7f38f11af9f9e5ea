import assert from "node:assert/strict";
import { bulk } from "../../../bench/tunnel/load/bulk.ts";
import { connectRate, IdleConnections } from "../../../bench/tunnel/load/connects.ts";
import { parseH2load } from "../../../bench/tunnel/load/h2_requests.ts";
import { parseWrk } from "../../../bench/tunnel/load/requests.ts";
import { roundTrip, twoWritesDown, twoWritesUp } from "../../../bench/tunnel/load/round_trip.ts";
import { steady } from "../../../bench/tunnel/load/steady.ts";
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

const H2LOAD = `TLS Protocol: TLSv1.3
Application protocol: h2

finished in 1.00s, 23414.00 req/s, 3.64MB/s
requests: 4 total, 5 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
`;
const H2LOAD_LOG = "1\t200\t100\n2\t200\t200\n3\t200\t300\n4\t200\t4000\n";

Deno.test("parseH2load() takes the rate from the summary and percentiles from the log", () => {
  assert.deepEqual(parseH2load(H2LOAD, "", H2LOAD_LOG), {
    perSecond: 23414,
    requests: 4,
    p50Ms: 0.2,
    p99Ms: 4,
  });
});

Deno.test("parseH2load() has nothing to tell when ALPN did not give h2", () => {
  assert.equal(parseH2load(H2LOAD.replace("protocol: h2", "protocol: http/1.1"), "", H2LOAD_LOG), undefined);
});

Deno.test("parseH2load() refuses a run with failed requests, or with none", () => {
  assert.throws(() => parseH2load(H2LOAD.replace("0 failed", "2 failed"), "", H2LOAD_LOG), /2 failed/);
  assert.throws(
    () => parseH2load(H2LOAD.replace("0 5xx", "3 5xx"), "", H2LOAD_LOG),
    /3 3xx\/4xx\/5xx|0\/0\/3/,
  );
  assert.throws(() => parseH2load("", "connect failed", ""), /connect failed/);
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
  assert.throws(() => parseOptions(["--only", "bulk,nothing"]), /no cell begins with nothing/);
  assert.throws(() => parseOptions(["--profile"]), /--profile needs --only/);
  assert.throws(() => parseOptions(["--profile", "--only=echo", "--binary=x"]), /does not go with --binary/);
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
  assert.ok(await steady(target, "up", 10, 20) > 0);
  assert.ok(await steady(target, "down", 10, 20) > 0);
  {
    using idle = new IdleConnections(target);
    await idle.grow(5, 0);
    await idle.grow(12, 0);
  }
  for (const load of [roundTrip, twoWritesUp, twoWritesDown]) {
    const { p50Ms, p99Ms } = await load(target, 20);
    assert.ok(p50Ms > 0 && p99Ms >= p50Ms);
  }
});
