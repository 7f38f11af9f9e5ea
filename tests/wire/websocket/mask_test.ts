import assert from "node:assert/strict";
import fc from "fast-check";
import { createMask } from "../../../src/wire/websocket/mod.ts";

Deno.test("createMask() equals the definition of RFC 6455 5.3 at every alignment, and is its own inverse", () => {
  const mask = createMask();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      (bytes, offset, start, key) => {
        const from = Math.min(start, bytes.length);
        const memory = new Uint8Array(offset + bytes.length + 3).fill(0xee);
        const buffer = memory.subarray(offset, offset + bytes.length);
        buffer.set(bytes);
        const keyBytes = [key, key >>> 8, key >>> 16, key >>> 24].map((byte) => byte & 0xff);
        mask(buffer, from, bytes.length, key);
        const expected = bytes.map((byte, i) => i < from ? byte : byte ^ keyBytes[(i - from) & 3]);
        assert.deepEqual(buffer, expected);
        assert.ok(memory.subarray(offset + bytes.length).every((byte) => byte === 0xee));
        mask(buffer, from, bytes.length, key);
        assert.deepEqual(buffer, bytes);
      },
    ),
    { numRuns: 1000 },
  );
});
