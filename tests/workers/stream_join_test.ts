import assert from "node:assert/strict";
import { MuxEnd, OPENING, StreamUser } from "../support/mux_pair.ts";
import { joinStreams } from "../../src/workers/stream_join.ts";
import { STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";

/** viewer -- link -- [joined] -- channel -- agent, each mux moved by hand. */
class Chain {
  readonly viewer = new MuxEnd(true);
  readonly linked = new MuxEnd(false);
  readonly edge = new MuxEnd(false);
  readonly agent = new MuxEnd(true);
  readonly near: StreamUser;

  constructor() {
    this.near = this.viewer.open();
    this.move();
    const [coming] = this.linked.accepted.values();
    const going = this.edge.mux.open(OPENING, new StreamUser());
    joinStreams(coming.stream, going);
    this.move();
  }

  get far(): StreamUser {
    return [...this.agent.accepted.values()][0];
  }

  /** Until nobody has anything to say. */
  move(): void {
    const pairs = [[this.viewer, this.linked], [this.linked, this.viewer], [this.edge, this.agent], [
      this.agent,
      this.edge,
    ]];
    for (let moved = true; moved;) {
      moved = false;
      for (const [from, to] of pairs) {
        const body = from.takeBody();
        if (body.length === 0) continue;
        to.receive(body);
        moved = true;
      }
    }
  }
}

Deno.test("joinStreams() passes bytes, ends and trailers on in both directions", () => {
  const chain = new Chain();
  const { near, far } = chain;
  const up = crypto.getRandomValues(new Uint8Array(60_000));
  near.stream.offer(up);
  near.stream.end();
  chain.move();
  assert.deepEqual(far.bytes, up);
  assert.ok(far.ended && near.reset === undefined);
  far.stream.offer(up.subarray(7));
  far.stream.end(new Uint8Array([65, 13, 10]));
  chain.move();
  assert.deepEqual(near.bytes, up.subarray(7));
  assert.deepEqual([near.ended, near.trailers], [true, new Uint8Array([65, 13, 10])]);
  for (const end of [chain.viewer, chain.linked, chain.edge, chain.agent]) {
    assert.equal(end.mux.openStreams, 0);
  }
});

Deno.test("joinStreams() passes the reason of a reset on, from either side", () => {
  const one = new Chain();
  one.near.stream.reset("cancelled");
  one.move();
  assert.equal(one.far.reset, "cancelled");
  const other = new Chain();
  other.far.stream.reset("origin_refused");
  other.move();
  assert.equal(other.near.reset, "origin_refused");
});

Deno.test("joinStreams() holds no more than a window in each mux while the reader takes nothing, and all comes when it does", () => {
  const chain = new Chain();
  const { near, far } = chain;
  const sent = Uint8Array.from({ length: 4 * STREAM_WINDOW_BYTES }, (_, at) => at % 251);
  far.stream.offer(sent);
  chain.move();
  assert.equal(near.receivedBytes, STREAM_WINDOW_BYTES);
  const held = chain.edge.mux.unread;
  assert.ok(held > STREAM_WINDOW_BYTES / 2 && held <= STREAM_WINDOW_BYTES, `${held}`);
  assert.ok(!far.stream.idle);
  while (near.receivedBytes < sent.length) {
    near.consume(near.unread);
    chain.move();
  }
  assert.deepEqual(near.bytes, sent);
  near.consume(near.unread);
  chain.move();
  assert.equal(chain.edge.mux.unread, 0);
});
