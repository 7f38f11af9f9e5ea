import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DatagramBudget,
  type DatagramDrop,
  DatagramFlow,
  type DatagramFlowUser,
  MAX_DATAGRAM_AGE_MS,
  MAX_FLOW_BYTES,
  MAX_FLOW_DATAGRAMS,
} from "../../src/driver/mod.ts";
import type { StreamHandler } from "../../src/mux/mod.ts";
import { concat } from "../../src/bytes/mod.ts";
import { frameDatagram, MAX_DATAGRAM_BYTES, type ResetReason } from "../../src/wire/mod.ts";
import { MuxPair, OPENING, StreamUser } from "../support/mux_pair.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

/** Whose flow it is: writes down what it is told. */
class User implements DatagramFlowUser {
  readonly sent: Uint8Array[] = [];
  readonly drops: DatagramDrop[] = [];
  readonly errors: unknown[] = [];
  over: (ResetReason | undefined)[] = [];
  admitting = true;
  /** What `send` returns. */
  sending: () => Promise<unknown> = () => Promise.resolve();

  admits(): boolean {
    return this.admitting;
  }
  send(payload: Uint8Array): Promise<unknown> {
    this.sent.push(payload);
    return this.sending();
  }
  onSent(): void {}
  onSendError(error: unknown): void {
    this.errors.push(error);
  }
  onDrop(reason: DatagramDrop): void {
    this.drops.push(reason);
  }
  onOver(reason: ResetReason | undefined): void {
    this.over.push(reason);
  }
}

const NOBODY: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };

/** A flow at each end of one stream. */
class Pair {
  readonly clock = new VirtualClock();
  readonly muxes = new MuxPair();
  readonly near = new User();
  readonly far = new User();
  readonly nearBudget = new DatagramBudget();
  readonly farBudget: DatagramBudget;
  readonly flow: DatagramFlow;
  farFlow!: DatagramFlow;

  constructor(farBudget = new DatagramBudget()) {
    this.farBudget = farBudget;
    const { clock } = this;
    const stream = this.muxes.b.mux.open({ ...OPENING, kind: "udp" }, NOBODY);
    stream.handler = this.flow = new DatagramFlow({
      stream,
      user: this.near,
      budget: this.nearBudget,
      clock,
    });
    this.muxes.a.answer = (stream) => {
      this.farFlow = new DatagramFlow({ stream, user: this.far, budget: farBudget, clock });
      return this.farFlow as unknown as StreamUser;
    };
  }

  async settle(): Promise<void> {
    this.muxes.settle();
    await settle();
    this.muxes.settle();
  }
}

const bytesOf = (...lengths: number[]) => lengths.map((length, at) => new Uint8Array(length).fill(at + 1));

Deno.test("DatagramFlow carries datagrams of all lengths both ways, one for one and in order", async () => {
  const pair = new Pair();
  const datagrams = bytesOf(0, 1, 1_200, 1_472, 9_000, MAX_DATAGRAM_BYTES, 0);
  for (const datagram of datagrams) pair.flow.push(datagram);
  await pair.settle();
  assert.deepEqual(pair.far.sent, datagrams);
  for (const datagram of datagrams) pair.farFlow.push(datagram);
  await pair.settle();
  assert.deepEqual(pair.near.sent, datagrams);
  assert.deepEqual([pair.near.drops, pair.far.drops], [[], []]);
  assert.deepEqual([pair.nearBudget.bytes, pair.farBudget.datagrams], [0, 0]);
});

Deno.test("DatagramFlow copies what it is given: a receive buffer is used again at once", async () => {
  const pair = new Pair();
  const buffer = new Uint8Array(100).fill(1);
  pair.flow.push(buffer);
  buffer.fill(2);
  pair.flow.push(buffer.subarray(0, 50));
  buffer.fill(3);
  await pair.settle();
  assert.deepEqual(pair.far.sent.map((each) => [each.length, each[0]]), [[100, 1], [50, 2]]);
});

Deno.test("DatagramFlow neither splits, merges nor reorders, whatever is pushed and whenever records go out", async () => {
  const step = fc.oneof(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 600, max: 60_000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const pair = new Pair();
      const pushed: Uint8Array[] = [];
      for (const step of steps) {
        if (typeof step === "number") {
          pair.muxes.send(pair.muxes.b, step);
          while (pair.muxes.deliver(pair.muxes.a));
        } else {
          pair.flow.push(step);
          pushed.push(step);
        }
      }
      await pair.settle();
      assert.deepEqual(pair.near.drops, []);
      assert.deepEqual(pair.far.sent.map((each) => [...each]), pushed.map((each) => [...each]));
    }),
    { numRuns: 40 },
  );
});

Deno.test("DatagramFlow.push() drops the newest when its flow has too much waiting: flow_queue", async () => {
  const count = new Pair();
  for (let n = 0; n < MAX_FLOW_DATAGRAMS + 10; n++) count.flow.push(Uint8Array.of(n >> 8, n));
  assert.deepEqual(count.near.drops, new Array(10).fill("flow_queue"));
  await count.settle();
  assert.equal(count.far.sent.length, MAX_FLOW_DATAGRAMS);
  assert.deepEqual(count.far.sent[0], Uint8Array.of(0, 0));
  const bytes = new Pair();
  const fits = Math.floor(MAX_FLOW_BYTES / MAX_DATAGRAM_BYTES);
  for (let n = 0; n <= fits; n++) bytes.flow.push(new Uint8Array(MAX_DATAGRAM_BYTES));
  assert.deepEqual(bytes.near.drops, ["flow_queue"]);
  await bytes.settle();
  bytes.flow.push(Uint8Array.of(1)); // there is room again
  await bytes.settle();
  assert.equal(bytes.far.sent.length, fits + 1);
});

Deno.test("DatagramFlow.push() drops what is longer than a datagram: oversize", () => {
  const pair = new Pair();
  pair.flow.push(new Uint8Array(MAX_DATAGRAM_BYTES + 1));
  assert.deepEqual(pair.near.drops, ["oversize"]);
});

Deno.test("DatagramFlow drops what waited too long for the channel instead of delivering it late: stale", async () => {
  const pair = new Pair();
  // Far more than one batch, so that the rest waits behind it.
  for (const datagram of bytesOf(60_000, 10, 20)) pair.flow.push(datagram);
  pair.clock.advance(MAX_DATAGRAM_AGE_MS + 1);
  pair.flow.push(Uint8Array.of(9));
  await pair.settle();
  assert.deepEqual(pair.far.sent.map(({ length }) => length), [60_000, 1]);
  assert.deepEqual(pair.near.drops, ["stale", "stale"]);
  assert.equal(pair.nearBudget.datagrams, 0);
});

Deno.test("DatagramFlow holds the budget of all flows together on both sides: total_queue", async () => {
  const pair = new Pair(new DatagramBudget({ maxDatagrams: 2, maxBytes: 1_000 }));
  pair.far.sending = () => new Promise(() => {}); // the system takes nothing
  for (const datagram of bytesOf(400, 400, 400)) pair.flow.push(datagram);
  await pair.settle();
  assert.deepEqual(pair.far.drops, ["total_queue"]);
  assert.deepEqual([pair.farBudget.datagrams, pair.farBudget.bytes], [2, 800]);
  pair.farFlow.end("cancelled");
  assert.deepEqual([pair.farBudget.datagrams, pair.farBudget.bytes], [0, 0]);
});

Deno.test("DatagramFlow never holds the stream up: a socket that takes nothing costs its own datagrams only", async () => {
  const pair = new Pair();
  pair.far.sending = () => new Promise(() => {});
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 3; n++) pair.flow.push(new Uint8Array(MAX_DATAGRAM_BYTES));
    await pair.settle();
  }
  assert.deepEqual(pair.near.drops, []);
  assert.equal(pair.far.drops.length, 60 - Math.floor(MAX_FLOW_BYTES / MAX_DATAGRAM_BYTES));
  assert.equal(pair.muxes.a.mux.credit.unread, 0);
});

Deno.test("DatagramFlow goes on after a datagram that the system refused", async () => {
  const pair = new Pair();
  let failures = 2;
  pair.far.sending = () =>
    failures-- > 0 ? Promise.reject(new Deno.errors.ConnectionRefused("refused")) : Promise.resolve();
  for (const datagram of bytesOf(1, 2, 3)) pair.flow.push(datagram);
  await pair.settle();
  assert.equal(pair.far.errors.length, 2);
  assert.equal(pair.far.sent.length, 3);
  assert.equal(pair.far.over.length, 0);
  assert.equal(pair.farBudget.datagrams, 0);
});

Deno.test("DatagramFlow.end() tells the far side once and gives back all that waited", async () => {
  const pair = new Pair();
  for (const datagram of bytesOf(100, 200)) pair.flow.push(datagram);
  await pair.settle();
  for (const datagram of bytesOf(100, 200)) pair.flow.push(datagram);
  pair.flow.end("idle_timeout");
  pair.flow.end("idle_timeout");
  pair.flow.push(Uint8Array.of(1));
  await pair.settle();
  assert.ok(pair.flow.isOver && pair.farFlow.isOver);
  assert.deepEqual(pair.far.over, ["idle_timeout"]);
  assert.deepEqual(pair.near.over, []);
  assert.deepEqual([pair.nearBudget.datagrams, pair.nearBudget.bytes], [0, 0]);
  assert.equal(pair.muxes.a.mux.openStreams + pair.muxes.b.mux.openStreams, 0);
});

Deno.test("DatagramFlow ends with its channel, and when the far side ends the stream", async () => {
  const lost = new Pair();
  await lost.settle();
  lost.muxes.b.mux.abandon("channel_lost");
  assert.deepEqual(lost.near.over, ["channel_lost"]);
  const user = new StreamUser();
  const ended = new Pair();
  ended.muxes.a.answer = () => user;
  await ended.settle();
  user.stream.end();
  await ended.settle();
  assert.deepEqual(ended.near.over, [undefined]);
  assert.ok(user.reset !== undefined);
});

Deno.test("DatagramFlow ends its flow, and nothing else, at a datagram of impossible length", async () => {
  const user = new StreamUser(true);
  const pair = new Pair();
  pair.muxes.a.answer = () => user;
  await pair.settle();
  pair.muxes.a.answer = () => new StreamUser();
  const other = pair.muxes.b.open();
  await pair.settle();
  user.stream.offer(concat(frameDatagram(Uint8Array.of(1)), Uint8Array.of(0xff, 0xff)));
  await pair.settle();
  assert.equal(pair.near.sent.length, 1);
  assert.deepEqual(pair.near.over, ["internal"]);
  assert.equal(user.reset, "internal");
  assert.equal(other.reset, undefined);
});

Deno.test("DatagramFlow keeps credit for an unfinished datagram until it is whole", async () => {
  const user = new StreamUser(true);
  const pair = new Pair();
  pair.muxes.a.answer = () => user;
  await pair.settle();
  const framed = frameDatagram(new Uint8Array(1_000));
  user.stream.offer(framed.subarray(0, 600));
  await pair.settle();
  assert.equal(pair.muxes.b.mux.credit.unread, 600);
  user.stream.offer(framed.subarray(600));
  await pair.settle();
  assert.equal(pair.muxes.b.mux.credit.unread, 0);
  assert.deepEqual(pair.near.sent.map(({ length }) => length), [1_000]);
});
