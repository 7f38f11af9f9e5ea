import assert from "node:assert/strict";
import fc from "fast-check";
import { Deadlines } from "../../src/driver/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** How late a deadline may be noticed. */
const GRAIN_MS = 250;

Deno.test("Deadlines.set() runs each task once, never early, at most a grain late, unless it was lifted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3_000), fc.nat(2_000), fc.option(fc.nat(4_000))), { maxLength: 40 }),
      (tasks) => {
        const clock = new VirtualClock();
        const deadlines = new Deadlines(clock);
        const ran: (number | undefined)[] = tasks.map(() => undefined);
        const lifted: (number | undefined)[] = tasks.map(() => undefined);
        tasks.forEach(([setAt, delayMs, liftAfter], i) => {
          clock.schedule(setAt, () => {
            const deadline = deadlines.set(delayMs, () => {
              assert.equal(ran[i], undefined);
              ran[i] = clock.now();
            });
            if (liftAfter === null) return;
            clock.schedule(setAt + liftAfter, () => {
              if (ran[i] === undefined) lifted[i] = clock.now();
              deadline.lift();
            });
          });
        });
        clock.advance(10_000);
        tasks.forEach(([setAt, delayMs], i) => {
          const due = setAt + delayMs;
          if (ran[i] === undefined) return assert.ok(lifted[i]! <= due + GRAIN_MS);
          assert.equal(lifted[i], undefined);
          assert.ok(ran[i]! >= due && ran[i]! <= due + GRAIN_MS, `${ran[i]} for ${due}`);
        });
        assert.deepEqual([deadlines.size, clock.pending], [0, 0], "no timer runs for nothing");
      },
    ),
  );
});

Deno.test("Deadlines: a task may set and lift others, and one that throws takes none with it", () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const ran: string[] = [];
  deadlines.set(10, () => {
    ran.push("first");
    third.lift();
    deadlines.set(0, () => ran.push("set inside"));
    throw new Error("a fault of the first");
  });
  deadlines.set(20, () => ran.push("second"));
  const third = deadlines.set(30, () => ran.push("third"));
  const lifted = deadlines.set(30, () => ran.push("lifted"));
  lifted.lift();
  lifted.lift();
  assert.throws(() => clock.advance(GRAIN_MS), /a fault of the first/);
  clock.advance(2 * GRAIN_MS);
  assert.deepEqual(ran, ["first", "second", "set inside"]);
  assert.deepEqual([deadlines.size, clock.pending], [0, 0]);
});
