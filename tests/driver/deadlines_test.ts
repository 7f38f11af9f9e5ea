import assert from "node:assert/strict";
import { Deadlines } from "../../src/driver/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

Deno.test("Deadlines.set() runs a task once, at most 250 ms late, in the order of the deadlines", () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const ran: string[] = [];
  deadlines.set(200, () => ran.push("second"));
  deadlines.set(100, () => ran.push("first"));
  deadlines.set(600, () => ran.push("third"));
  clock.advance(99);
  assert.deepEqual(ran, []);
  clock.advance(151);
  assert.deepEqual(ran, ["first", "second"]);
  clock.advance(2_000);
  assert.deepEqual(ran, ["first", "second", "third"]);
  assert.deepEqual([deadlines.size, clock.pending], [0, 0]);
});

Deno.test("Deadline.lift() prevents the task, also twice, in any order, and after it has passed", () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const ran: number[] = [];
  const set = Array.from({ length: 9 }, (_, at) => deadlines.set(100, () => ran.push(at)));
  for (const at of [4, 0, 8, 4, 7]) set[at].lift();
  assert.equal(deadlines.size, 5);
  clock.advance(1_000);
  assert.deepEqual(ran.sort(), [1, 2, 3, 5, 6]);
  set[1].lift();
  assert.equal(deadlines.size, 0);
});

Deno.test("Deadlines goes on after a task that throws, and lets tasks lift and set others", () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const ran: string[] = [];
  deadlines.set(10, () => {
    throw new Error("first");
  });
  const late = deadlines.set(30, () => ran.push("lifted"));
  deadlines.set(20, () => {
    late.lift();
    deadlines.set(10, () => ran.push("new"));
  });
  assert.throws(() => clock.advance(250), /first/);
  clock.advance(1_000);
  assert.deepEqual(ran, ["new"]);
});
