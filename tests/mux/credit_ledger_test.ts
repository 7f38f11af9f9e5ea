import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { CreditBudget, CreditLedger, STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

const step = fc.oneof(
  fc.record({ do: fc.constant("send" as const), bytes: fc.nat(3_000) }),
  fc.record({ do: fc.constant("deliver" as const), bytes: fc.constant(0) }),
  fc.record({ do: fc.constant("consume" as const), bytes: fc.nat(3_000) }),
  fc.record({ do: fc.constant("grant" as const), bytes: fc.constant(0) }),
  fc.record({ do: fc.constant("credit arrives" as const), bytes: fc.constant(0) }),
  fc.record({ do: fc.constant("time" as const), bytes: fc.nat(400) }),
);

Deno.test("CreditLedger: sender and receiver never disagree, windows stay within cap and budget, all comes back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 1, max: 16 }),
      fc.nat(20_000),
      fc.integer({ min: 1, max: 100 }),
      fc.array(step, { maxLength: 120 }),
      (windowBytes, times, budgetBytes, rttMs, steps) => {
        const budget = new CreditBudget(budgetBytes);
        const maxWindowBytes = windowBytes * times;
        const sender = new CreditLedger(windowBytes);
        const receiver = new CreditLedger(windowBytes, { maxWindowBytes, budget });
        const data: number[] = [];
        const credit: number[] = [];
        let now = 0;
        let sent = 0;
        let granted = windowBytes;
        const grant = () => {
          const bytes = receiver.refill(now, rttMs);
          if (bytes > 0) credit.push(bytes);
          granted += bytes;
        };
        const check = () => {
          assert.ok(sent <= granted, "sent more than was granted");
          assert.ok(sender.available >= 0 && receiver.available >= 0);
          const underWay = data.reduce((sum, bytes) => sum + bytes, 0);
          const creditUnderWay = credit.reduce((sum, bytes) => sum + bytes, 0);
          assert.equal(receiver.available, sender.available + underWay + creditUnderWay);
          assert.ok(receiver.held <= receiver.windowBytes, "holds more than its window");
          assert.ok(receiver.windowBytes <= maxWindowBytes);
          assert.equal(budget.left, budgetBytes - (receiver.windowBytes - windowBytes));
        };
        for (const { do: what, bytes } of steps) {
          if (what === "send") {
            const part = Math.min(bytes, sender.available);
            sender.spend(part);
            sent += part;
            data.push(part);
          } else if (what === "deliver" && data.length > 0) receiver.spend(data.shift()!);
          else if (what === "consume" && receiver.consume(Math.min(bytes, receiver.held))) grant();
          else if (what === "grant") grant();
          else if (what === "credit arrives" && credit.length > 0) sender.grant(credit.shift()!);
          else if (what === "time") now += bytes;
          check();
        }
        for (const bytes of data.splice(0)) receiver.spend(bytes);
        receiver.consume(receiver.held);
        grant();
        for (const bytes of credit.splice(0)) sender.grant(bytes);
        check();
        assert.equal(sender.available, receiver.windowBytes, "credit leaked");
        receiver.close();
        assert.equal(budget.left, budgetBytes, "budget leaked");
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("CreditLedger.spend() refuses more than was granted with credit_exceeded and changes nothing", () => {
  const ledger = new CreditLedger(100);
  ledger.spend(60);
  assert.throws(() => ledger.spend(41), code("credit_exceeded"));
  assert.deepEqual([ledger.available, ledger.held], [40, 60]);
  ledger.spend(40);
  assert.throws(() => ledger.spend(1), code("credit_exceeded"));
});

Deno.test("CreditLedger.grant() refuses zero and what no frame could have granted with credit_overflow", () => {
  const ledger = new CreditLedger(100);
  assert.throws(() => ledger.grant(0), code("credit_overflow"));
  assert.throws(() => ledger.grant(0x7fff_ffff - 99), code("credit_overflow"));
  assert.equal(ledger.available, 100);
  ledger.grant(0x7fff_ffff - 100);
  assert.throws(() => ledger.grant(1), code("credit_overflow"));
});

Deno.test("CreditLedger.consume() asks for a CREDIT frame when half a window is won, not before", () => {
  const ledger = new CreditLedger(100);
  ledger.spend(100);
  assert.equal(ledger.consume(49), false);
  assert.equal(ledger.consume(1), true);
  assert.equal(ledger.refill(0, 1), 50);
  assert.equal(ledger.refill(0, 1), 0);
  assert.throws(() => ledger.consume(51), RangeError);
});

function consumeHalf(ledger: CreditLedger, now: number): number {
  const half = Math.ceil(ledger.windowBytes / 2);
  ledger.spend(half);
  assert.equal(ledger.consume(half), true);
  return ledger.refill(now, 10);
}

Deno.test("CreditLedger.refill() doubles a window that is half consumed within two round trips, up to cap and budget", () => {
  const budget = new CreditBudget(10_000);
  const ledger = new CreditLedger(1_000, { maxWindowBytes: 6_000, budget });
  assert.equal(consumeHalf(ledger, 0), 500, "the first half window has no beginning to measure from");
  assert.equal(consumeHalf(ledger, 20), 1_500);
  assert.equal(ledger.windowBytes, 2_000);
  assert.equal(consumeHalf(ledger, 41), 1_000, "slower than two round trips");
  consumeHalf(ledger, 50);
  assert.equal(ledger.windowBytes, 4_000);
  consumeHalf(ledger, 60);
  assert.equal(ledger.windowBytes, 6_000, "the cap");
  consumeHalf(ledger, 61);
  assert.equal(ledger.windowBytes, 6_000);
  assert.equal(budget.left, 5_000);
  const other = new CreditLedger(3_000, { maxWindowBytes: 100_000, budget });
  consumeHalf(other, 0);
  consumeHalf(other, 1);
  assert.equal(other.windowBytes, 6_000);
  consumeHalf(other, 2);
  assert.equal(other.windowBytes, 6_000, "the budget has 2,000 left");
});

Deno.test("CreditLedger.close() gives growth back once, and what is consumed later takes nothing", () => {
  const budget = new CreditBudget(10_000);
  const ledger = new CreditLedger(1_000, { maxWindowBytes: 8_000, budget });
  consumeHalf(ledger, 0);
  consumeHalf(ledger, 1);
  ledger.spend(2_000);
  assert.equal(budget.left, 9_000);
  ledger.close();
  ledger.close();
  assert.equal(budget.left, 10_000);
  assert.equal(ledger.consume(2_000), false);
  assert.equal(ledger.refill(2, 10), 0);
  assert.equal(budget.left, 10_000);
});

Deno.test("CreditBudget.take() takes all or nothing", () => {
  const budget = new CreditBudget(10);
  assert.equal(budget.take(11), false);
  assert.equal(budget.take(10), true);
  assert.equal(budget.take(1), false);
  budget.give(10);
  assert.equal(budget.left, 10);
});

Deno.test("CreditLedger refills a large window in eighths, so that a sender far away never stands still", () => {
  const budget = new CreditBudget(16 * STREAM_WINDOW_BYTES);
  const ledger = new CreditLedger(16 * STREAM_WINDOW_BYTES, {
    maxWindowBytes: 16 * STREAM_WINDOW_BYTES,
    budget,
  });
  const eighth = 2 * STREAM_WINDOW_BYTES;
  ledger.spend(2 * eighth);
  assert.equal(ledger.consume(eighth - 1), false);
  assert.equal(ledger.consume(1), true);
  assert.equal(ledger.refill(0, 50), eighth);
  assert.equal(ledger.consume(eighth - 1), false);
  assert.equal(ledger.consume(1), true);
});

Deno.test("CreditLedger measures the time for half a window over several refills", () => {
  const budget = new CreditBudget(64 * STREAM_WINDOW_BYTES);
  const ledger = new CreditLedger(16 * STREAM_WINDOW_BYTES, {
    maxWindowBytes: 64 * STREAM_WINDOW_BYTES,
    budget,
  });
  const eighth = 2 * STREAM_WINDOW_BYTES;
  const refillAt = (now: number) => {
    ledger.spend(eighth);
    ledger.consume(eighth);
    ledger.refill(now, 50);
    return ledger.windowBytes / STREAM_WINDOW_BYTES;
  };
  // The first half begins the measurement; the second took 101 ms, more than two round trips; the third 60 ms.
  assert.deepEqual([0, 1, 2, 3].map(refillAt), [16, 16, 16, 16]);
  assert.deepEqual([30, 60, 90, 104].map(refillAt), [16, 16, 16, 16]);
  assert.deepEqual([110, 120, 130, 164].map(refillAt), [16, 16, 16, 32]);
});
