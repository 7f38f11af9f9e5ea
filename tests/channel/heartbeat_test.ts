import assert from "node:assert/strict";
import { CHANNEL_LIMITS, Heartbeat, HEARTBEAT_LIMITS } from "../../src/channel/mod.ts";
import { ChannelPair } from "../support/channel_pair.ts";
import { StreamUser } from "../support/mux_pair.ts";

const { intervalMs, offlineMs } = HEARTBEAT_LIMITS;

Deno.test("Heartbeat measures the round trip as RFC 6298 smooths it", () => {
  const heartbeat = new Heartbeat(HEARTBEAT_LIMITS, 0);
  assert.deepEqual([heartbeat.rttMs, heartbeat.echoes, heartbeat.isDue(0)], [0, 0, true]);
  assert.equal(heartbeat.pong(heartbeat.ping(0), 80), true);
  assert.deepEqual([heartbeat.rttMs, heartbeat.jitterMs, heartbeat.echoAt], [80, 40, 80]);
  assert.equal(heartbeat.isDue(intervalMs - 1), false);
  assert.equal(heartbeat.pong(heartbeat.ping(intervalMs), intervalMs + 160), true);
  assert.deepEqual([heartbeat.rttMs, heartbeat.jitterMs, heartbeat.echoes], [90, 50, 2]);
});

Deno.test("Heartbeat counts each echo once, and none that answers no PING", () => {
  const heartbeat = new Heartbeat(HEARTBEAT_LIMITS, 0);
  assert.equal(heartbeat.pong(new Uint8Array(8), 5), false);
  const first = heartbeat.ping(0);
  assert.equal(heartbeat.pong(first, 10), true);
  assert.equal(heartbeat.pong(first, 20), false);
  assert.equal(heartbeat.pong(new Uint8Array(8).fill(9), 20), false);
  const second = heartbeat.ping(30);
  const third = heartbeat.ping(40);
  assert.equal(heartbeat.pong(third, 50), true);
  assert.equal(heartbeat.pong(second, 60), false, "order is kept: what is older is lost");
  assert.equal(heartbeat.echoAt, 50);
});

Deno.test("Heartbeat takes a way back that is slower than its interval for slow, not for dead", () => {
  const limits = { intervalMs: 100, offlineMs: 300 };
  const heartbeat = new Heartbeat(limits, 0);
  const underWay: [number, Uint8Array][] = [];
  for (let now = 0; now < 10_000; now += 50) {
    assert.equal(heartbeat.isDead(now), false, String(now));
    if (heartbeat.isDue(now)) underWay.push([now + 250, heartbeat.ping(now)]);
    while (underWay.length > 0 && underWay[0][0] <= now) heartbeat.pong(underWay.shift()![1], now);
  }
  assert.equal(Math.round(heartbeat.rttMs), 250);
});

Deno.test("Heartbeat remembers a bounded number of PINGs", () => {
  const heartbeat = new Heartbeat({ intervalMs: 1, offlineMs: 1e9 }, 0);
  const first = heartbeat.ping(0);
  for (let i = 1; i < 1_000; i++) heartbeat.ping(i);
  assert.equal(heartbeat.pong(first, 1_000), false);
});

Deno.test("Channel stays established while echoes come, for hours, and measures the round trip", () => {
  const pair = new ChannelPair().establish();
  pair.advance(2 * 3_600_000);
  for (const end of pair.ends) {
    assert.equal(end.channel.state, "established");
    assert.ok(end.echoes.length >= 2 * 3_600_000 / intervalMs - 1, `${end.echoes.length} echoes`);
    assert.ok(pair.now - end.channel.echoAt! <= intervalMs);
  }
});

Deno.test("Channel ends with heartbeat_timeout when nothing is echoed for 30 s, whatever else arrives", () => {
  const pair = new ChannelPair().establish();
  const lastEcho = pair.edge.channel.echoAt!;
  const user = pair.agent.open(new StreamUser());
  pair.settle();
  // The way from agent to edge works; the way back is dead.
  pair.link = (record, from) => from === pair.edge ? [] : [record];
  for (let i = 0; pair.edge.channel.state === "established"; i++) {
    assert.ok(i < 1_000);
    user.stream.offer(new Uint8Array(10));
    pair.advance(1_000);
    if (pair.now - lastEcho < offlineMs) assert.equal(pair.edge.channel.state, "established");
  }
  assert.ok(pair.now - lastEcho <= offlineMs + 1_000);
  assert.equal(pair.edge.channel.reason, "heartbeat_timeout");
  assert.equal(pair.edge.accepted[0].reset, "channel_lost");
  // Its CLOSE is lost as well: the agent finds out by itself.
  pair.advance(offlineMs);
  assert.equal(pair.agent.channel.reason, "heartbeat_timeout");
  pair.assertEnded();
});

Deno.test("Channel ends by itself when its carrier takes nothing any more, and its deadline always moves on", () => {
  const pair = new ChannelPair().establish();
  pair.agent.open();
  const deadlines: number[] = [];
  pair.advance(offlineMs + 2 * CHANNEL_LIMITS.stepMs, () => deadlines.push(pair.now));
  assert.deepEqual(pair.ends.map((end) => end.channel.reason), ["heartbeat_timeout", "heartbeat_timeout"]);
  assert.ok(deadlines.length < 20, `${deadlines.length} timers in a minute`);
  for (const end of pair.ends) {
    assert.deepEqual([end.ended, end.channel.deadline, end.channel.openStreams], [true, Infinity, 0]);
  }
});

Deno.test("Channel beats as the edge told the agent in `ready`", () => {
  const pair = new ChannelPair({ edgeLimits: { heartbeat: { intervalMs: 500, offlineMs: 2_000 } } });
  pair.edge.onProof = () =>
    pair.edge.channel.accept({
      type: "ready",
      session_id: "s",
      services: [],
      heartbeat_ms: 500,
      offline_ms: 2_000,
    }, pair.now);
  pair.establish();
  pair.advance(10_000);
  for (const end of pair.ends) assert.ok(end.echoes.length >= 20);
});
