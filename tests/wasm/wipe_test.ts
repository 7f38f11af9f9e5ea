import assert from "node:assert/strict";
import { loadCore } from "../../wasm/mod.ts";
import {
  HASHERS,
  KEY_SLOT_BYTES,
  KEY_SLOT_COUNT,
  KEY_SLOTS,
  SCRATCH_END,
  STAGED_KEY,
} from "../../wasm/layout.ts";

/** Counts what is left between the constants and the slots. */
function traces(memory: Uint8Array): number {
  return memory.subarray(STAGED_KEY, KEY_SLOTS).reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0);
}

Deno.test("importKey(), seal(), open() and rekey() leave nothing in staging and scratch", () => {
  assert.ok(SCRATCH_END <= KEY_SLOTS);
  const core = loadCore();
  const { memory, arena } = core;
  const key = new Uint8Array(32).fill(0xa5);
  const sealer = core.importKey(key);
  const opener = core.importKey(key);
  assert.equal(traces(memory), 0);
  for (const bytes of [0, 1, 17, 64, 192, 193, 448, 449, 704, 705, 960, 961, 1472, 1500, 16384]) {
    const offset = arena.offset + 64;
    memory.fill(0x5a, arena.offset, offset + bytes);
    core.seal(sealer, arena.offset, 13, offset, bytes);
    assert.equal(traces(memory), 0, `after seal() of ${bytes}`);
    assert.ok(core.open(opener, arena.offset, 13, offset, bytes));
    assert.equal(traces(memory), 0, `after open() of ${bytes}`);
    assert.equal(core.open(opener, arena.offset, 13, offset, bytes), false);
    assert.equal(traces(memory), 0, `after a refused open() of ${bytes}`);
    core.seal(sealer, 0, 0, offset, 0);
  }
  core.rekey(sealer);
  assert.equal(traces(memory), 0);
});

Deno.test("importKey() wipes the staged key also when every slot is taken", () => {
  const core = loadCore();
  for (let i = 0; i < KEY_SLOT_COUNT; i++) core.importKey(new Uint8Array(32).fill(1));
  assert.throws(() => core.importKey(new Uint8Array(32).fill(2)), { code: "key_slots_exhausted" });
  assert.equal(traces(core.memory), 0);
  assert.equal(KEY_SLOTS + KEY_SLOT_COUNT * KEY_SLOT_BYTES, HASHERS);
});

Deno.test("a refused call leaves nothing behind", () => {
  const core = loadCore();
  const handle = core.importKey(new Uint8Array(32).fill(0xa5));
  assert.throws(() => core.seal(handle, 0, 0, 0, 16), { code: "core_bounds" });
  core.wipeKey(handle);
  assert.throws(() => core.seal(handle, 0, 0, core.arena.offset, 16), { code: "key_handle_stale" });
  assert.equal(traces(core.memory), 0);
});

Deno.test("wipeKey() zeroes key and counter; the slot keeps its generation", () => {
  const core = loadCore();
  const handle = core.importKey(new Uint8Array(32).fill(0xa5));
  core.seal(handle, 0, 0, core.arena.offset, 16);
  core.wipeKey(handle);
  const slot = core.memory.subarray(KEY_SLOTS, KEY_SLOTS + KEY_SLOT_BYTES);
  assert.ok(slot.subarray(0, 40).every((byte) => byte === 0));
  assert.equal(slot[40], 1);
});

Deno.test("wipeKey() retires a slot whose generations are spent", () => {
  const core = loadCore();
  const first = core.importKey(new Uint8Array(32));
  core.wipeKey(first);
  // Stand before the last generation, 2^32 - 1.
  new DataView(core.memory.buffer).setUint32(KEY_SLOTS + 40, 0xffff_fffe, true);
  const last = core.importKey(new Uint8Array(32));
  assert.equal(last, 0xffff_ffff * KEY_SLOT_COUNT);
  core.seal(last, 0, 0, core.arena.offset, 16);
  core.wipeKey(last);
  assert.throws(() => core.seal(last, 0, 0, core.arena.offset, 16), { code: "key_handle_stale" });
  assert.equal(core.importKey(new Uint8Array(32)) % KEY_SLOT_COUNT, 1);
});
