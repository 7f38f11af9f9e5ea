import assert from "node:assert/strict";
import fc from "fast-check";
import { Breaker, FIRST_PAUSE_MS, MAX_PAUSE_MS, OPEN_AFTER, type Permit } from "../../src/tokens/breaker.ts";

const stateOf = (breaker: Breaker): string => breaker.state.name;

Deno.test("Breaker opens after failures in a row, and not after failures between answers", () => {
  const moves: string[] = [];
  const breaker = new Breaker((state) => moves.push(state));
  for (let round = 0; round < 3; round++) {
    for (let i = 1; i < OPEN_AFTER; i++) breaker.enter(0)!.failed(0);
    breaker.enter(0)!.answered();
  }
  assert.equal(stateOf(breaker), "closed");
  for (let i = 0; i < OPEN_AFTER; i++) breaker.enter(0)!.failed(0);
  assert.equal(stateOf(breaker), "open");
  assert.equal(breaker.enter(FIRST_PAUSE_MS - 1), undefined);
  const probe = breaker.enter(FIRST_PAUSE_MS)!;
  assert.equal(breaker.enter(FIRST_PAUSE_MS), undefined, "one probe at a time");
  probe.answered();
  assert.equal(stateOf(breaker), "closed");
  assert.deepEqual(moves, ["open", "half_open", "closed"]);
});

Deno.test("Breaker doubles its pause with each probe that fails, up to the longest", () => {
  const breaker = new Breaker();
  for (let i = 0; i < OPEN_AFTER; i++) breaker.enter(0)!.failed(0);
  let nowMs = 0;
  for (let pauseMs = FIRST_PAUSE_MS; pauseMs < MAX_PAUSE_MS * 4; pauseMs *= 2) {
    const { state } = breaker;
    assert.ok(state.name === "open");
    assert.equal(state.untilMs - nowMs, Math.min(pauseMs, MAX_PAUSE_MS));
    nowMs = state.untilMs;
    breaker.enter(nowMs)!.failed(nowMs);
  }
});

Deno.test("Breaker does not count what is told twice, or of before it moved", () => {
  const breaker = new Breaker();
  const twice = breaker.enter(0)!;
  for (let i = 0; i < OPEN_AFTER; i++) twice.failed(0);
  assert.equal(stateOf(breaker), "closed");
  const late = breaker.enter(0)!;
  const later = breaker.enter(0)!;
  for (let i = 0; i < OPEN_AFTER; i++) breaker.enter(0)?.failed(0);
  late.answered();
  assert.equal(stateOf(breaker), "open", "an answer that was on its way closes nothing");
  const probe = breaker.enter(FIRST_PAUSE_MS)!;
  later.failed(FIRST_PAUSE_MS);
  assert.equal(stateOf(breaker), "half_open");
  probe.answered();
  assert.equal(stateOf(breaker), "closed");
});

Deno.test("Breaker: whatever happens, it asks one at a time after a pause, never in one, and always again", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: MAX_PAUSE_MS }) }),
    fc.record({ do: fc.constant("enter" as const) }),
    fc.record({ do: fc.constantFrom("answer" as const, "fail" as const), which: fc.nat() }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const breaker = new Breaker();
    let nowMs = 0;
    const held: Permit[] = [];
    for (const one of steps) {
      const before = breaker.state;
      if (one.do === "wait") nowMs += one.ms;
      else if (one.do === "enter") {
        const permit = breaker.enter(nowMs);
        if (permit !== undefined) held.push(permit);
        const mayEnter = before.name === "closed" || (before.name === "open" && nowMs >= before.untilMs);
        assert.equal(permit !== undefined, mayEnter);
      } else if (held.length > 0) {
        const [permit] = held.splice(one.which % held.length, 1);
        if (one.do === "answer") permit.answered();
        else permit.failed(nowMs);
        const after = breaker.state;
        if (after.name === "open" && before.name !== "open") {
          assert.ok(before.name === "half_open" || before.failures === OPEN_AFTER - 1);
          assert.ok(after.pauseMs >= FIRST_PAUSE_MS && after.pauseMs <= MAX_PAUSE_MS);
          assert.equal(after.untilMs, nowMs + after.pauseMs);
        }
        if (before.name === "open") assert.deepEqual(after, before, "what was on its way changes no pause");
        if (after.name === "closed") assert.ok(after.failures < OPEN_AFTER);
      }
    }
    // Unless a probe is on its way, the longest pause is enough.
    if (breaker.state.name !== "half_open") assert.ok(breaker.enter(nowMs + MAX_PAUSE_MS) !== undefined);
  }));
});
