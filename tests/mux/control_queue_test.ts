import assert from "node:assert/strict";
import { ControlQueue } from "../../src/mux/control_queue.ts";
import { FrameReader, FrameType } from "../../src/wire/mod.ts";

function typesIn(buffer: Uint8Array, end: number): FrameType[] {
  const types: FrameType[] = [];
  const reader = new FrameReader();
  for (let at = 0; at < end; at = reader.payloadEnd) {
    reader.read(buffer, at, end);
    types.push(reader.type);
  }
  return types;
}

Deno.test("ControlQueue.fill() writes whole frames in order, and the rest the next time", () => {
  const queue = new ControlQueue(10, () => {});
  queue.channelFrame(FrameType.ping, new Uint8Array(8));
  queue.reset(3, "cancelled");
  queue.credit(1_000);
  const buffer = new Uint8Array(1_024);
  const first = queue.fill(buffer, 0, 30);
  assert.deepEqual(typesIn(buffer, first), [FrameType.ping, FrameType.reset]);
  assert.equal(queue.isEmpty, false);
  const rest = queue.fill(buffer, 0, buffer.length);
  assert.deepEqual(typesIn(buffer, rest), [FrameType.credit]);
  assert.equal(queue.isEmpty, true);
  assert.equal(queue.fill(buffer, 7, buffer.length), 7);
});

Deno.test("ControlQueue takes no more than it was told, and then says control_flood until it is cleared", () => {
  let woken = 0;
  const queue = new ControlQueue(2, () => woken++);
  queue.reset(1, "cancelled");
  queue.reset(3, "cancelled");
  assert.deepEqual([queue.isFull, queue.isFlooded], [true, false]);
  queue.reset(5, "cancelled");
  assert.equal(queue.isFlooded, true);
  assert.equal(queue.flood().code, "control_flood");
  assert.equal(woken, 3);
  queue.clear();
  assert.deepEqual([queue.isEmpty, queue.isFull, queue.isFlooded], [true, false, false]);
});

Deno.test("ControlQueue refuses a payload that its type does not take", () => {
  const queue = new ControlQueue(2, () => {});
  assert.throws(() => queue.channelFrame(FrameType.ping, new Uint8Array(9)), RangeError);
  assert.equal(queue.isEmpty, true);
});
