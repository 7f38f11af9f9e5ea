import assert from "node:assert/strict";
import { History, type Sample } from "../../src/dashboard/history.ts";
import {
  requestBuckets,
  ServiceSeries,
  summedTotals,
  totalsOf,
  type TrafficTotals,
} from "../../src/telemetry/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { firstOwner, openDashboard, wordsOf } from "./support.ts";

function seriesOf(requests: number, failures: number, seconds: number): ServiceSeries {
  const series = new ServiceSeries();
  for (let at = 0; at < requests; at++) {
    series.answered(at < failures ? 502 : 200);
    series.observe(seconds);
  }
  series.bytesIn = 1_000 * requests;
  series.bytesOut = 5_000 * requests;
  return series;
}

const samplesAfter = async (
  clock: VirtualClock,
  history: History,
  totals: (at: number) => void,
  count: number,
): Promise<Sample[]> => {
  for (let at = 0; at < count; at++) {
    totals(at);
    clock.advance(10_000);
    while (clock.pending === 0) await Promise.resolve();
  }
  return history.samples;
};

Deno.test("totalsOf() and summedTotals() add services and threads up", () => {
  const one = totalsOf([seriesOf(3, 1, 0.002), seriesOf(1, 0, 70)]);
  assert.deepEqual({ ...one, buckets: one.buckets.filter((count) => count > 0) }, {
    requests: 4,
    failures: 1,
    bytesIn: 4_000,
    bytesOut: 20_000,
    buckets: [3, 1],
  });
  const both = summedTotals([one, one]);
  assert.equal(both.requests, 8);
  assert.equal(both.buckets[requestBuckets.length], 2);
  assert.equal(summedTotals([]).buckets.length, requestBuckets.length + 1);
});

Deno.test("History tells rates of each ten seconds, and keeps an hour", async () => {
  const clock = new VirtualClock();
  let totals: TrafficTotals = totalsOf([]);
  const channels = [{ isOnline: true, streams: 3 }, { isOnline: false, streams: 0 }];
  const history = new History({
    source: { traffic: () => Promise.resolve(totals), channels: () => Promise.resolve(channels) },
    clock,
    log() {},
  });
  const samples = await samplesAfter(
    clock,
    history,
    (at) => totals = totalsOf([seriesOf(at * 20, at, 0.002)]),
    3,
  );
  assert.equal(samples.length, 2, "the first one has nothing to compare with");
  const [first] = samples;
  assert.equal(first.requestsPerSecond, 2);
  assert.equal(first.failuresPerSecond, 0.1);
  assert.equal(first.bytesOutPerSecond, 10_000);
  assert.ok(first.medianMs! > 1 && first.medianMs! < 2.5, String(first.medianMs));
  assert.ok(first.p95Ms! > first.medianMs!);
  assert.deepEqual([first.channels, first.streams], [1, 3]);
  const gone = await samplesAfter(clock, history, () => totals = totalsOf([]), 2);
  assert.equal(gone.at(-1)!.requestsPerSecond, 0, "never below nothing");
  assert.equal(gone.at(-1)!.medianMs, undefined);
  const hour = await samplesAfter(clock, history, () => {}, 370);
  assert.equal(hour.length, 360);
  assert.ok(hour.every(({ atMs }, at) => at === 0 || atMs - hour[at - 1].atMs === 10_000));
  history.close();
  assert.equal(clock.pending, 0);
});

Deno.test("History outlasts a source that fails", async () => {
  const clock = new VirtualClock();
  const logged: unknown[] = [];
  let isWell = false;
  const history = new History({
    source: {
      traffic: () => isWell ? Promise.resolve(totalsOf([])) : Promise.reject(new Error("gone")),
      channels: () => Promise.resolve([]),
    },
    clock,
    log: (_level, event) => void logged.push(event),
  });
  assert.equal((await samplesAfter(clock, history, (at) => isWell = at > 0, 3)).length, 1);
  assert.deepEqual(logged, ["traffic was not sampled"]);
  history.close();
});

Deno.test("traffic page draws what was sampled, and says it in words", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { clock } = open.control;
  assert.match(wordsOf((await owner.get("/dashboard/traffic")).text), /there are none to draw yet/);
  for (const count of [0, 20, 60]) {
    open.totals.now = totalsOf([seriesOf(count, 0, 0.002)]);
    clock.advance(10_000);
    await owner.get("/dashboard/audit");
  }
  const { text } = await owner.get("/dashboard/traffic");
  assert.match(text, /aria-label="Requests\. Answered: from 2\/s to 4\/s, now 4\/s\./);
  assert.match(text, /<polyline class="s1" points="60\.0,[\d.]+ 472\.0,[\d.]+"/);
  assert.match(text, /To viewers: 20\.0 kB\/s/);
});
