import assert from "node:assert/strict";
import { UnreadBudget } from "../../src/mux/mod.ts";
import { MuxPair, pattern, StreamUser } from "../support/mux_pair.ts";

const KiB = 1024;

/** Pairs whose near ends share one bound; far ends send to streams that the near ends open. */
function world(maxBytes: number, pairs = 2) {
  const budget = new UnreadBudget(maxBytes);
  const all = Array.from({ length: pairs }, () => new MuxPair({}, budget));
  /** Opens a stream on which `bytes` are under way to the near end. */
  const download = (pair: MuxPair, bytes: number, consumes = false): StreamUser => {
    const user = pair.a.open(new StreamUser(consumes));
    pair.settle();
    pair.b.accepted.get(user.stream.id)!.stream.offer(pattern(bytes));
    pair.settle();
    return user;
  };
  return { budget, pairs: all, download };
}

Deno.test("UnreadBudget counts what users of all channels hold, and nothing after they took or dropped it", () => {
  const { budget, pairs: [one, two], download } = world(1024 * KiB);
  const first = download(one, 100 * KiB);
  const second = download(two, 50 * KiB);
  download(two, 10 * KiB, true);
  assert.equal(budget.held, 150 * KiB);
  first.consume(60 * KiB);
  assert.equal(budget.held, 90 * KiB);
  second.stream.reset("cancelled");
  assert.equal(budget.held, 40 * KiB);
  one.a.mux.abandon("channel_lost");
  assert.equal(budget.held, 0);
  first.consume(0);
  assert.equal(budget.held, 0);
});

Deno.test("UnreadBudget refuses new streams from three quarters on, in channels that hold much: unread_limit", () => {
  const { budget, pairs: [one, two], download } = world(256 * KiB);
  const slow = download(one, 200 * KiB);
  assert.ok(budget.isPressed);
  assert.throws(() => one.a.open(), { code: "unread_limit" });
  two.a.open();
  download(two, 30 * KiB);
  assert.throws(() => two.a.open(), { code: "unread_limit" }, "more than an eighth of the heaviest");
  slow.consume(50 * KiB);
  one.a.open();
});

Deno.test("UnreadBudget withholds credit from who holds much, serves who keeps up, and lets go when it can", () => {
  const { budget, pairs: [one, two], download } = world(600 * KiB);
  const quick = download(two, 10 * KiB, true);
  const slow = download(one, 1024 * KiB);
  const hog = download(two, 250 * KiB);
  assert.ok(budget.isPressed);
  assert.equal(slow.receivedBytes, 256 * KiB);
  slow.consume(140 * KiB);
  hog.stream.reset("cancelled");
  one.settle();
  assert.ok(slow.receivedBytes > 256 * KiB, "no pressure: it goes on");
  const held = slow.unread;
  const other = download(two, 256 * KiB);
  assert.ok(budget.isPressed, `${budget.held}`);
  slow.consume(held >> 1);
  const before = slow.receivedBytes;
  two.b.accepted.get(quick.stream.id)!.stream.offer(pattern(300 * KiB));
  two.settle();
  assert.equal(quick.receivedBytes, 310 * KiB, "who keeps up is served on");
  other.consume(256 * KiB);
  one.settle();
  assert.ok(slow.receivedBytes >= before);
});

Deno.test("UnreadBudget cuts the stream that holds most, whichever channel it is in, before the bound is passed", () => {
  const { budget, pairs: [one, two, three], download } = world(512 * KiB, 3);
  const worst = download(one, 256 * KiB);
  const other = two.a.open();
  const innocent = three.a.open();
  two.settle();
  three.settle();
  two.b.accepted.get(other.stream.id)!.stream.offer(pattern(200 * KiB));
  two.settle();
  three.b.accepted.get(innocent.stream.id)!.stream.offer(pattern(100 * KiB));
  three.settle();
  assert.equal(worst.reset, "slow_consumer");
  assert.equal(other.reset, undefined);
  assert.equal(innocent.receivedBytes, 100 * KiB);
  assert.ok(budget.held <= 512 * KiB);
});
