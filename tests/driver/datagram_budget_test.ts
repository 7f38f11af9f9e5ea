import assert from "node:assert/strict";
import { DatagramBudget, DatagramShare } from "../../src/driver/mod.ts";

/** How many datagrams of so many bytes it takes. */
function fill(share: DatagramShare, bytes = 1): number {
  let taken = 0;
  while (share.take(bytes)) taken++;
  return taken;
}

Deno.test("DatagramShare leaves to others as much as it has: one gets half, and who comes late gets some as well", () => {
  const budget = new DatagramBudget({ maxDatagrams: 1_000, maxBytes: 1_000_000 });
  const shares = Array.from({ length: 4 }, () => new DatagramShare(budget));
  assert.deepEqual(shares.map((share) => fill(share)), [500, 250, 125, 63]);
  shares[0].give(500, 500);
  assert.equal(fill(shares[3]), 250);
  assert.equal(budget.datagrams, 250 + 125 + 63 + 250);
});

Deno.test("DatagramShare holds the same for bytes, and gives back what it took", () => {
  const budget = new DatagramBudget({ maxDatagrams: 1_000, maxBytes: 10_000 });
  const share = new DatagramShare(budget);
  assert.equal(fill(share, 1_000), 5);
  assert.equal(fill(new DatagramShare(budget), 1_000), 3);
  share.give(5, 5_000);
  assert.deepEqual([budget.datagrams, budget.bytes], [3, 3_000]);
});
