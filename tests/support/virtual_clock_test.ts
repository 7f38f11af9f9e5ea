import assert from "node:assert/strict";
import { VirtualClock } from "./virtual_clock.ts";

Deno.test("VirtualClock.advance() runs tasks in deadline order, each at its own time", () => {
  const clock = new VirtualClock(1_000);
  const seen: [string, number, number][] = [];
  const note = (name: string) => () => void seen.push([name, clock.now(), clock.wall()]);
  clock.schedule(20, note("b"));
  clock.schedule(10, note("a"));
  clock.schedule(20, note("c"));
  clock.schedule(31, note("late"));
  clock.advance(30);
  assert.deepEqual(seen, [["a", 10, 1_010], ["b", 20, 1_020], ["c", 20, 1_020]]);
  assert.equal(clock.now(), 30);
  assert.equal(clock.pending, 1);
  assert.equal(clock.nextAtMs, 31);
});

Deno.test("VirtualClock.advance() runs tasks that tasks schedule within the window", () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const tick = () => {
    seen.push(clock.now());
    clock.schedule(clock.now() + 10, tick);
  };
  clock.schedule(10, tick);
  clock.advance(35);
  assert.deepEqual(seen, [10, 20, 30]);
});

Deno.test("VirtualClock.schedule() with a deadline in the past waits for the next advance", () => {
  const clock = new VirtualClock();
  clock.advance(50);
  let ran = 0;
  clock.schedule(10, () => ran++);
  assert.equal(ran, 0);
  clock.advance(0);
  assert.equal(ran, 1);
  assert.equal(clock.now(), 50);
});

Deno.test("VirtualClock.schedule() returns what cancels the task, twice without harm", () => {
  const clock = new VirtualClock();
  const cancel = clock.schedule(10, () => assert.fail("cancelled task ran"));
  cancel();
  cancel();
  clock.advance(20);
  assert.equal(clock.pending, 0);
});

Deno.test("VirtualClock.advance() refuses to go backwards and to loop without end", () => {
  const clock = new VirtualClock();
  assert.throws(() => clock.advance(-1), RangeError);
  assert.throws(() => clock.advance(Number.NaN), RangeError);
  const again = () => void clock.schedule(clock.now(), again);
  clock.schedule(0, again);
  assert.throws(() => clock.advance(1), /more keep becoming due/);
});

Deno.test("VirtualClock.advanceAsync() lets promise reactions run between tasks", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.schedule(clock.now() + ms, resolve));
  const work = (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(10);
      seen.push(clock.now());
    }
  })();
  await clock.advanceAsync(100);
  await work;
  assert.deepEqual(seen, [10, 20, 30]);
});

Deno.test("VirtualClock.jumpWall() moves the wall clock only", () => {
  const clock = new VirtualClock(5_000);
  clock.jumpWall(-2_000);
  assert.equal(clock.now(), 0);
  assert.equal(clock.wall(), 3_000);
});
