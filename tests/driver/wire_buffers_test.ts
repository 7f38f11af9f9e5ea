import assert from "node:assert/strict";
import fc from "fast-check";
import {
  LARGE_BUFFER_BYTES,
  SMALL_BUFFER_BYTES,
  type WireBuffer,
  WireBuffers,
} from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";

const make = (bytes: number) => new WireBuffers(referenceCore({ memoryBytes: 65_536 + bytes }));

Deno.test("WireBuffers hands out no byte twice, inside the arena, and counts what is in use", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("small", "large", "retain", "release"), fc.nat(50)), {
        maxLength: 200,
      }),
      (steps) => {
        const buffers = make(3 * LARGE_BUFFER_BYTES + 1_000);
        const { offset, bytes } = buffers.core.arena;
        const held: WireBuffer[] = []; // one entry for each reference
        for (const [what, n] of steps) {
          const one = held[n % Math.max(1, held.length)];
          if (what === "release") {
            if (one === undefined) continue;
            held.splice(held.indexOf(one), 1);
            one.release();
          } else if (what === "retain") {
            if (one !== undefined) held.push(one.retain());
          } else {
            const taken = buffers.tryTake(what === "small" ? SMALL_BUFFER_BYTES : LARGE_BUFFER_BYTES);
            if (taken !== undefined) {
              assert.ok(taken.isSole && !held.includes(taken));
              held.push(taken);
            }
          }
          const all = [...new Set(held)].sort((a, b) => a.offset - b.offset);
          all.forEach((buffer, i) => {
            assert.ok(buffer.offset >= offset && buffer.end <= offset + bytes);
            if (i > 0) assert.ok(all[i - 1].end <= buffer.offset, "buffers overlap");
          });
          const inUse = all.reduce((sum, buffer) => sum + buffer.bytes, 0);
          assert.equal(buffers.bytesInUse, inUse);
          assert.equal(buffers.isPressed, inUse > bytes / 2 - 1 && inUse > (bytes >>> 1));
        }
        for (const buffer of held) buffer.release();
        assert.equal(buffers.bytesInUse, 0);
      },
    ),
  );
});

Deno.test("WireBuffers.take() throws wire_memory_exhausted, and takes again what was given back", () => {
  const buffers = make(LARGE_BUFFER_BYTES);
  const buffer = buffers.take(LARGE_BUFFER_BYTES);
  assert.throws(
    () => buffers.take(LARGE_BUFFER_BYTES),
    (error) => error instanceof PosternError && error.code === "wire_memory_exhausted",
  );
  buffer.release();
  assert.equal(buffers.take(LARGE_BUFFER_BYTES), buffer);
});

Deno.test("WireBuffers: small buffers never take all, and a free large one becomes small ones when needed", () => {
  const buffers = make(4 * LARGE_BUFFER_BYTES);
  const large = [1, 2, 3, 4].map(() => buffers.take(LARGE_BUFFER_BYTES));
  assert.equal(buffers.tryTake(SMALL_BUFFER_BYTES), undefined);
  for (const buffer of large) buffer.release();
  let small = 0;
  while (buffers.tryTake(SMALL_BUFFER_BYTES) !== undefined) small++;
  assert.ok(small >= 55 && small <= 61, `${small} small buffers`);
  assert.ok(buffers.tryTake(LARGE_BUFFER_BYTES) !== undefined, "something is left for bulk");
});

Deno.test("WireBuffer.release() refuses to be called once too often", () => {
  const buffer = make(LARGE_BUFFER_BYTES).take(SMALL_BUFFER_BYTES);
  buffer.release();
  assert.throws(() => buffer.release(), RangeError);
});
