import assert from "node:assert/strict";
import { parseResponseHead, PartialHead } from "../../src/http1/mod.ts";

const head = new TextEncoder().encode(`HTTP/1.1 200 OK\r\nX: ${"a".repeat(60_000)}\r\n\r\n`);

Deno.test("PartialHead holds a head that comes in single octets, moving what is there a few times only", () => {
  const partial = new PartialHead();
  const buffers = new Set<Uint8Array>();
  for (let at = 0; at < head.length; at++) {
    partial.add(head, at, at + 1);
    buffers.add(partial.buffer);
    assert.deepEqual([partial.seen, partial.length], [at, at + 1]);
  }
  assert.deepEqual(partial.buffer.subarray(0, partial.length), head);
  assert.ok(buffers.size <= 7, `${buffers.size}`);
});

Deno.test("PartialHead.seen lets the parser look at new octets only", () => {
  const partial = new PartialHead();
  const limits = { maxTargetBytes: 100, maxHeadBytes: 65_000, maxHeaders: 4 };
  const parse = () => parseResponseHead(partial.buffer, 0, partial.length, limits, partial.seen);
  partial.add(head, 0, head.length - 1);
  assert.equal(parse(), null);
  partial.add(head, head.length - 1, head.length);
  assert.equal(parse()?.bytes, head.length);
});
