import assert from "node:assert/strict";
import { RefusalBook } from "../../src/nodes/mod.ts";

Deno.test("RefusalBook.take() tells each node and code at once, and then with how often it came, in ten minutes", () => {
  const book = new RefusalBook();
  const refusal = {
    code: "peer_policy_denied",
    node: "spiffe://tunnel.test/tunneler/t1",
    address: "192.0.2.1",
  };
  book.add(refusal);
  book.add({ ...refusal, address: "192.0.2.2" });
  book.add({ code: "tls_timeout", address: "192.0.2.3" });
  assert.deepEqual(book.take(0), [
    { ...refusal, address: "192.0.2.2", count: 2 },
    { code: "tls_timeout", address: "192.0.2.3", count: 1 },
  ]);
  for (let n = 0; n < 5; n++) book.add(refusal);
  assert.deepEqual(book.take(599_999), []);
  assert.deepEqual(book.take(600_000), [{ ...refusal, count: 5 }]);
  assert.deepEqual(book.take(1_300_000), []);
  book.add(refusal);
  assert.deepEqual(book.take(1_300_000), [{ ...refusal, count: 1 }], "what was quiet is told at once");
});

Deno.test("RefusalBook keeps 256 apart, counts the rest by its code, and tells 16 at once", () => {
  const book = new RefusalBook();
  for (let n = 0; n < 1_000; n++) {
    book.add({ code: "peer_chain_untrusted", node: `spiffe://x.test/edge/e${n}` });
  }
  const told = [];
  for (let due = book.take(0); due.length > 0; due = book.take(0)) {
    assert.ok(due.length <= 16);
    told.push(...due);
  }
  assert.equal(told.length, 257);
  assert.equal(told.reduce((sum, { count }) => sum + count, 0), 1_000);
});
