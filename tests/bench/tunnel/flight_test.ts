import assert from "node:assert/strict";
import { Flight, Line, MAX_QUEUE_MS } from "../../../bench/tunnel/lab/flight.ts";

Deno.test("Line.send() has bytes of all senders one behind the other at its bandwidth", () => {
  const line = new Line(8e6); // a kilobyte a millisecond
  assert.equal(line.send(5_000, 100), 105);
  assert.equal(line.send(1_000, 100), 106);
  assert.equal(line.send(1_000, 200), 201);
});

Deno.test("Line.send() takes no time without a bandwidth", () => {
  assert.equal(new Line(0).send(1e9, 7), 7);
});

Deno.test("Line.waitMs() holds senders back when the queue is full", () => {
  const line = new Line(8e6);
  line.send(30_000, 0);
  assert.equal(line.waitMs(0), 30 - MAX_QUEUE_MS);
  assert.ok(line.waitMs(20) <= 0);
});

function fill(flight: Flight, bytes: number, value: number, dueMs: number): void {
  const space = flight.space();
  assert.ok(space.length >= bytes);
  space.fill(value, 0, bytes);
  flight.add(bytes, dueMs);
}

Deno.test("Flight.due() gives what has arrived by now, in order, and no more", () => {
  const flight = new Flight(16);
  fill(flight, 3, 1, 10);
  fill(flight, 3, 2, 20);
  assert.equal(flight.dueMs, 10);
  assert.equal(flight.due(9).length, 0);
  assert.deepEqual([...flight.due(10)], [1, 1, 1]);
  assert.deepEqual([...flight.due(20)], [1, 1, 1, 2, 2, 2]);
});

Deno.test("Flight.space() is empty while the ring is full, and goes around its end", () => {
  const flight = new Flight(8);
  fill(flight, 6, 1, 0);
  assert.equal(flight.space().length, 2);
  fill(flight, 2, 2, 0);
  assert.equal(flight.space().length, 0);
  assert.deepEqual([...flight.due(0)], [1, 1, 1, 1, 1, 1, 2, 2]);
  flight.take(6);
  assert.equal(flight.space().length, 6);
  fill(flight, 4, 3, 0);
  // One piece never goes over the end of the ring.
  assert.deepEqual([...flight.due(0)], [2, 2]);
  flight.take(2);
  assert.deepEqual([...flight.due(0)], [3, 3, 3, 3]);
});

Deno.test("Flight.hasEnded is true after the last byte, not before", () => {
  const flight = new Flight(8);
  fill(flight, 2, 1, 5);
  flight.end(6);
  assert.equal(flight.hasEnded, false);
  flight.take(flight.due(5).length);
  assert.equal(flight.hasEnded, true);
  assert.equal(flight.dueMs, 6);
});

Deno.test("Flight.change() is told of what is added and taken", async () => {
  const flight = new Flight(8);
  const added = flight.change();
  fill(flight, 2, 1, 5);
  await added;
  const taken = flight.change();
  flight.take(2);
  await taken;
});
