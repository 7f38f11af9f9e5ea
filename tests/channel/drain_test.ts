import assert from "node:assert/strict";
import { CHANNEL_LIMITS } from "../../src/channel/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { type ChannelEnd, ChannelPair } from "../support/channel_pair.ts";
import { pattern, StreamUser } from "../support/mux_pair.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

/** Both directions are the same; each is tried. */
function eachWay(test: (pair: ChannelPair, drainer: ChannelEnd, peer: ChannelEnd) => void): void {
  for (const name of ["agent", "edge"] as const) {
    const pair = new ChannelPair().establish();
    test(pair, pair[name], pair.other(pair[name]));
  }
}

Deno.test("Channel.drain() of an idle channel closes both sides in order", () => {
  eachWay((pair, drainer, peer) => {
    drainer.channel.drain("draining", 5_000, pair.now);
    assert.equal(drainer.channel.state, "draining");
    pair.settle();
    assert.deepEqual(peer.goaways, [{ reason: "draining", deadlineMs: 5_000 }]);
    for (const end of pair.ends) {
      assert.deepEqual(end.states.slice(-3), ["draining", "closing", "closed"]);
      assert.deepEqual([end.channel.reason, end.error], [undefined, undefined]);
    }
    pair.assertEnded();
  });
});

Deno.test("Channel.drain() lets open streams finish, of both sides, and takes no new ones", () => {
  eachWay((pair, drainer, peer) => {
    const mine = drainer.open();
    const theirs = peer.open();
    pair.settle();
    drainer.channel.drain("draining", 60_000, pair.now);
    pair.settle();
    assert.throws(() => drainer.open(), code("peer_draining"));
    assert.throws(() => peer.open(), code("peer_draining"));
    for (const user of [mine, theirs]) user.stream.offer(pattern(300_000));
    pair.settle();
    for (const user of [mine, theirs]) user.stream.end();
    pair.settle();
    assert.equal(drainer.channel.state, "draining");
    for (const user of [...drainer.accepted, ...peer.accepted]) {
      assert.deepEqual(user.bytes, pattern(300_000));
      user.stream.end();
    }
    pair.settle();
    for (const user of [mine, theirs]) assert.deepEqual([user.ended, user.reset], [true, undefined]);
    assert.deepEqual(pair.ends.map((end) => end.channel.state), ["closed", "closed"]);
  });
});

Deno.test("Channel.drain() loses no stream that the peer opens while GOAWAY is on its way", () => {
  eachWay((pair, drainer, peer) => {
    drainer.channel.drain("draining", 60_000, pair.now);
    const before = peer.open();
    before.stream.offer(pattern(1_000));
    pair.send(peer); // its OPEN passes GOAWAY on the way
    const queued = peer.open(); // still waits to be sent when GOAWAY arrives
    queued.stream.offer(pattern(2_000));
    pair.settle();
    assert.deepEqual(drainer.accepted.map((user) => user.receivedBytes), [1_000, 2_000]);
    assert.deepEqual([before.reset, queued.reset], [undefined, undefined]);
    for (const user of [before, queued, ...drainer.accepted]) user.stream.end();
    pair.settle();
    for (const user of [before, queued]) assert.deepEqual([user.ended, user.reset], [true, undefined]);
    assert.deepEqual(pair.ends.map((end) => end.channel.state), ["closed", "closed"]);
  });
});

Deno.test("Channel.drain() from both sides at once meets in the middle", () => {
  const pair = new ChannelPair().establish();
  const users = pair.ends.map((end) => end.open());
  for (const end of pair.ends) end.channel.drain("draining", 60_000, pair.now);
  pair.settle();
  for (const user of [...users, ...pair.agent.accepted, ...pair.edge.accepted]) user.stream.end();
  pair.settle();
  for (const user of users) assert.deepEqual([user.ended, user.reset], [true, undefined]);
  assert.deepEqual(pair.ends.map((end) => end.channel.state), ["closed", "closed"]);
});

Deno.test("Channel.drain() still delivers the reset of its last stream before it closes", () => {
  eachWay((pair, drainer, peer) => {
    const user = peer.open();
    pair.settle();
    drainer.channel.drain("draining", 60_000, pair.now);
    pair.settle();
    drainer.accepted[0].stream.reset("origin_refused");
    pair.settle();
    assert.equal(user.reset, "origin_refused");
    assert.deepEqual(pair.ends.map((end) => end.channel.state), ["closed", "closed"]);
  });
});

Deno.test("Channel.drain() cuts what is open at the deadline with drain_deadline, on both sides", () => {
  eachWay((pair, drainer, peer) => {
    const user = peer.open();
    pair.settle();
    drainer.channel.drain("draining", 3_000, pair.now);
    pair.settle();
    pair.advance(2_999);
    assert.equal(drainer.channel.state, "draining");
    pair.advance(1);
    assert.deepEqual([user.reset, drainer.accepted[0].reset], ["deadline", "deadline"]);
    for (const end of pair.ends) assert.equal(end.channel.reason, "drain_deadline");
    pair.assertEnded();
  });
});

Deno.test("Channel.drain() ends at its deadline also when the peer never answers", () => {
  const pair = new ChannelPair().establish();
  pair.link = () => [];
  pair.edge.channel.drain("draining", 3_000, pair.now);
  pair.advance(3_000);
  assert.equal(pair.edge.channel.reason, "drain_deadline");
});

Deno.test("Channel.drain() has no effect before a channel is established, twice, and after its end", () => {
  const pair = new ChannelPair().start();
  pair.edge.channel.drain("draining", 1, pair.now);
  assert.equal(pair.edge.channel.state, "handshaking");
  pair.settle();
  pair.edge.channel.drain("draining", 5_000, pair.now);
  pair.edge.channel.drain("draining", 1, pair.now);
  assert.equal(pair.edge.channel.deadline, pair.now + 5_000);
  pair.settle();
  pair.edge.channel.drain("draining", 1, pair.now);
  pair.assertEnded();
});

Deno.test("Channel.close() cuts all streams and tells the peer the code", () => {
  eachWay((pair, closer, peer) => {
    const mine = closer.open();
    const theirs = peer.open();
    pair.settle();
    closer.channel.close(new PosternError("session_fenced"), pair.now);
    assert.deepEqual([mine.reset, closer.accepted[0].reset], ["fenced", "fenced"]);
    assert.throws(() => closer.open(), code("channel_closed"));
    pair.settle();
    assert.deepEqual([theirs.reset, peer.accepted[0].reset], ["fenced", "fenced"]);
    assert.deepEqual(pair.ends.map((end) => end.channel.reason), ["session_fenced", "session_fenced"]);
    pair.assertEnded();
  });
});

Deno.test("Channel.close() without an error ends in closed, and takes late calls without effect", () => {
  eachWay((pair, closer) => {
    closer.open();
    pair.settle();
    closer.channel.close(undefined, pair.now);
    closer.channel.close(new PosternError("session_fenced"), pair.now);
    closer.channel.fail(new Error("too late"));
    pair.settle();
    assert.deepEqual(pair.ends.map((end) => end.channel.state), ["closed", "closed"]);
    closer.channel.close(new PosternError("session_fenced"), pair.now);
    pair.cut();
    pair.assertEnded();
  });
});

Deno.test("Channel.close() at every stage before the channel is established ends it", () => {
  const idle = new ChannelPair();
  idle.agent.channel.close(undefined, idle.now);
  assert.equal(idle.agent.channel.reason, "channel_closed");
  idle.agent.channel.start(idle.now);
  assert.equal(idle.agent.channel.state, "failed");
  for (const stop of [1, 2, 3]) {
    for (const error of [undefined, new PosternError("tunnel_deleted")]) {
      const pair = new ChannelPair();
      if (stop === 2) pair.agent.onChallenge = () => {};
      if (stop === 3) pair.edge.onProof = () => {};
      pair.start();
      if (stop > 1) pair.settle();
      for (const end of pair.ends) end.channel.close(error, pair.now);
      pair.settle();
      for (const end of pair.ends) assert.equal(end.channel.reason, error?.code);
      pair.assertEnded();
    }
  }
});

Deno.test("Channel.close() while the peer takes nothing ends after one step's time, with its own reason", () => {
  const pair = new ChannelPair().establish();
  pair.edge.channel.close(new PosternError("tunnel_deleted"), pair.now);
  pair.advance(CHANNEL_LIMITS.stepMs, () => {});
  assert.equal(pair.edge.channel.reason, "tunnel_deleted");
  assert.equal(pair.edge.channel.finished, true);
});

Deno.test("Channel.carrierEnded() tells peer_closed, or the reason for which the channel was closing", () => {
  const pair = new ChannelPair().establish();
  const user = pair.agent.open();
  pair.agent.channel.close(new PosternError("tunnel_deleted"), pair.now);
  pair.cut();
  assert.equal(user.reset, "channel_lost");
  assert.deepEqual(pair.ends.map((end) => end.channel.reason), ["tunnel_deleted", "peer_closed"]);
  pair.assertEnded();
});

Deno.test("Channel.fail() calls what is not a PosternError internal_error and tells the peer no more than that", () => {
  const pair = new ChannelPair().establish();
  pair.edge.answer = () => {
    throw new TypeError("a secret of this process");
  };
  pair.agent.open(new StreamUser());
  pair.settle();
  assert.deepEqual(pair.ends.map((end) => end.channel.reason), ["internal_error", "internal_error"]);
  assert.doesNotMatch(pair.agent.error!.message, /secret/);
});

Deno.test("Channel.carrierEnded() shows what the peer said on the carrier, and decides nothing by it", () => {
  for (
    const [hint, said] of [["handshake_suite_refused", "handshake_suite_refused"], [
      "no code of ours",
      undefined,
    ]]
  ) {
    const pair = new ChannelPair().establish();
    pair.agent.channel.carrierEnded(pair.now, hint);
    assert.equal(pair.agent.channel.reason, "peer_closed");
    assert.equal(pair.agent.error!.detail.said, said);
  }
});
