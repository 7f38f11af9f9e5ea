import assert from "node:assert/strict";
import fc from "fast-check";
import { judgeContinuity, type TpmClock } from "../../src/policy/mod.ts";
import { clockOf, clocks } from "./policies.ts";

const before = clockOf();
const judge = (now: Partial<TpmClock>, purpose: "channel-open" | "channel-reauth" = "channel-reauth") =>
  judgeContinuity({ before, asked: before, now: clockOf(now), purpose });

Deno.test("judgeContinuity() begins a chain with the first quote", () => {
  for (const purpose of ["channel-open", "channel-reauth"] as const) {
    const judged = judgeContinuity({ before: undefined, asked: undefined, now: before, purpose });
    assert.deepEqual(judged, { next: before, isNewChain: true, hasNewFirmware: false });
  }
});

Deno.test("judgeContinuity() takes a clock that stands still or runs on, and resumes", () => {
  for (const now of [{}, { clockMs: 1_001 }, { restartCount: 3, clockMs: 1_000 }]) {
    assert.deepEqual(judge(now), { next: clockOf(now), isNewChain: false, hasNewFirmware: false });
  }
});

Deno.test("judgeContinuity() refuses counters that went back: attestation_rollback", () => {
  for (const purpose of ["channel-open", "channel-reauth"] as const) {
    assert.throws(() => judge({ resetCount: 4, clockMs: 9_000 }, purpose), {
      code: "attestation_rollback",
      detail: { counter: "resetCount" },
    });
    assert.throws(() => judge({ restartCount: 1, clockMs: 9_000 }, purpose), {
      detail: { counter: "restartCount" },
    });
    assert.throws(() => judge({ clockMs: 999 }, purpose), { detail: { counter: "clock" } });
    assert.throws(() => judge({ restartCount: 3, clockMs: 999 }, purpose), { detail: { counter: "clock" } });
  }
});

Deno.test("judgeContinuity() after a reset needs a new handshake, which begins a new chain: attestation_reset", () => {
  const after = { resetCount: 6, restartCount: 0, clockMs: 10 };
  assert.throws(() => judge(after), { code: "attestation_reset", detail: { resets: 1 } });
  assert.deepEqual(judge(after, "channel-open"), {
    next: clockOf(after),
    isNewChain: true,
    hasNewFirmware: false,
  });
});

Deno.test("judgeContinuity() refuses other firmware within a chain and tells it with a new one: firmware_changed", () => {
  const firmware = "2020052100162801";
  for (const purpose of ["channel-open", "channel-reauth"] as const) {
    assert.throws(() => judge({ firmware, clockMs: 2_000 }, purpose), { code: "firmware_changed" });
  }
  assert.equal(judge({ firmware, resetCount: 6 }, "channel-open").hasNewFirmware, true);
});

Deno.test("judgeContinuity() takes a quote that was overtaken, but none older than its question", () => {
  const asked = clockOf({ clockMs: 900 });
  const overtaken = (clockMs: number, known: TpmClock | undefined = asked) =>
    judgeContinuity({ before, asked: known, now: clockOf({ clockMs }), purpose: "channel-reauth" });
  assert.equal(overtaken(900).next.clockMs, 1_000, "the youngest is what counts from then on");
  assert.throws(() => overtaken(899), { code: "attestation_rollback" });
  assert.equal(overtaken(5, clockOf({ resetCount: 4 })).next.clockMs, 1_000, "asked before the reset");
  assert.throws(() => overtaken(999, clockOf({ clockMs: 2_000 })), { code: "attestation_rollback" });
});

Deno.test("judgeContinuity() never lets a chain go back, whatever the order of quotes", () => {
  const purpose = fc.constantFrom("channel-open" as const, "channel-reauth" as const);
  fc.assert(fc.property(fc.array(fc.tuple(clocks, purpose), { maxLength: 30 }), (quotes) => {
    let before: TpmClock | undefined;
    for (const [now, purpose] of quotes) {
      let next: TpmClock;
      try {
        next = judgeContinuity({ before, asked: before, now, purpose }).next;
      } catch {
        continue;
      }
      if (before !== undefined) {
        const isReset = next.resetCount > before.resetCount;
        assert.ok(next.resetCount >= before.resetCount);
        assert.ok(!isReset || purpose === "channel-open");
        if (!isReset) {
          assert.ok(next.restartCount >= before.restartCount && next.clockMs >= before.clockMs);
          assert.equal(next.firmware, before.firmware);
          assert.ok(now.clockMs >= before.clockMs);
        }
      }
      before = next;
    }
  }));
});
