import assert from "node:assert/strict";
import type { MuxStream } from "../../src/mux/mod.ts";
import { StreamTable } from "../../src/mux/stream_table.ts";
import { MuxPair, pattern, StreamUser } from "../support/mux_pair.ts";

const IDLE = 10_000;
const REQUESTS = 200;

/** Counts every look at something of the stream, reads of its id among others. */
function watched(stream: MuxStream, count: () => void): MuxStream {
  return new Proxy(stream, {
    get(target, key) {
      count();
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Looks at idle streams while requests go to and fro on streams of their own. */
function looksAtIdle(idle: number): number {
  const pair = new MuxPair();
  let looks = 0;
  let isOpen = false;
  const add = StreamTable.prototype.add;
  try {
    StreamTable.prototype.add = function (stream) {
      add.call(this, isOpen ? stream : watched(stream, () => looks++));
    };
    for (let i = 0; i < idle; i++) {
      pair.a.open(new StreamUser(true));
      if (i % 500 === 499) pair.settle();
    }
    pair.settle();
    isOpen = true;
    looks = 0;
    pair.b.answer = () => {
      const user = new StreamUser(true);
      user.inEnd = () => {
        user.stream.offer(pattern(1_000));
        user.stream.end();
      };
      return user;
    };
    for (let i = 0; i < REQUESTS; i++) {
      const user = pair.a.open(new StreamUser(true));
      user.stream.offer(pattern(200));
      user.stream.end();
      pair.settle();
      assert.ok(user.ended && user.receivedBytes === 1_000);
    }
    assert.equal(pair.a.mux.openStreams, idle);
    return looks;
  } finally {
    StreamTable.prototype.add = add;
  }
}

Deno.test("a request beside 10,000 idle streams looks at none of them but by chance in the table of ids", () => {
  assert.equal(looksAtIdle(0), 0);
  const perRequest = looksAtIdle(IDLE) / REQUESTS;
  assert.ok(perRequest < 40, `${perRequest} looks at idle streams a request`);
});

Deno.test("StreamTable: ids that follow each other make no run of full slots, wherever later ids begin", () => {
  const table = new StreamTable();
  let looks = 0;
  for (let i = 0; i < IDLE; i++) {
    const id = 1 + 2 * i;
    table.add({
      get id() {
        looks++;
        return id;
      },
    } as MuxStream);
  }
  let most = 0;
  // More ids than slots: a run would be met by some.
  for (let id = 1 + 2 * IDLE; id < 1 + 2 * IDLE + 200_000; id += 2) {
    looks = 0;
    assert.equal(table.get(id), undefined);
    most = Math.max(most, looks);
  }
  assert.ok(most <= 16, `${most} slots to find out about one id`);
});
