/** What a stream keeps of its user when it is over: a busy edge's garbage collector pays for every link. */
import assert from "node:assert/strict";
import { MuxPair, pattern, StreamUser } from "../support/mux_pair.ts";

function exchanged(consumes: boolean): { pair: MuxPair; user: StreamUser; peer: StreamUser } {
  const pair = new MuxPair();
  pair.b.answer = () => new StreamUser(consumes);
  const user = pair.a.open(new StreamUser(true));
  user.stream.offer(pattern(1_000));
  user.stream.end();
  pair.settle();
  const peer = pair.b.accepted.get(1)!;
  peer.stream.end();
  pair.settle();
  return { pair, user, peer };
}

Deno.test("MuxStream lets its user go when both directions have ended and all bytes were consumed", () => {
  const { user, peer } = exchanged(true);
  assert.notEqual(user.stream.handler, user);
  assert.notEqual(peer.stream.handler, peer);
});

Deno.test("MuxStream keeps its user while bytes are unread, and lets it go when they are consumed", () => {
  const { peer } = exchanged(false);
  assert.equal(peer.stream.handler, peer);
  peer.consume(peer.unread);
  assert.notEqual(peer.stream.handler, peer);
});

Deno.test("MuxStream lets its user go after a reset, on both sides, once it was told", () => {
  const pair = new MuxPair();
  const user = pair.a.open(new StreamUser(true));
  pair.settle();
  const peer = pair.b.accepted.get(1)!;
  user.stream.reset("cancelled");
  pair.settle();
  assert.equal(peer.reset, "cancelled");
  assert.notEqual(user.stream.handler, user);
  assert.notEqual(peer.stream.handler, peer);
});
