import assert from "node:assert/strict";
import { IDLE_SLAB_BYTES, LARGE_SLAB_BYTES, Slabs, SMALL_SLAB_BYTES } from "../../src/driver/mod.ts";

Deno.test("Slabs hands out what was given back, each size for itself, and keeps no more than it is told", () => {
  const slabs = new Slabs(2 * LARGE_SLAB_BYTES);
  const sizes = [
    [IDLE_SLAB_BYTES, () => slabs.idle()],
    [SMALL_SLAB_BYTES, () => slabs.small()],
    [LARGE_SLAB_BYTES, () => slabs.large()],
  ] as const;
  for (const [bytes, take] of sizes) {
    const first = take();
    assert.equal(first.length, bytes);
    assert.notEqual(take(), first);
    slabs.give(first);
    assert.equal(take(), first);
  }
  for (let i = 0; i < 10; i++) slabs.give(new Uint8Array(LARGE_SLAB_BYTES));
  assert.equal(slabs.keptBytes, 2 * LARGE_SLAB_BYTES);
});

Deno.test("Slabs.trim() lets go of what nobody needed since the trim before, and of nothing else", () => {
  const slabs = new Slabs();
  const bulk = Array.from({ length: 20 }, () => slabs.large());
  for (const slab of bulk) slabs.give(slab);
  slabs.trim();
  assert.equal(slabs.keptBytes, 20 * LARGE_SLAB_BYTES, "all of them were in use a moment ago");
  for (let turn = 0; turn < 50; turn++) {
    const [one, other] = [slabs.large(), slabs.large()];
    slabs.give(one);
    slabs.give(other);
  }
  slabs.trim();
  assert.equal(slabs.keptBytes, 2 * LARGE_SLAB_BYTES);
  slabs.trim();
  assert.equal(slabs.keptBytes, 0);
  assert.equal(slabs.large().length, LARGE_SLAB_BYTES);
});
