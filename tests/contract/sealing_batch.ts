/** sealMany() and openMany() of every SealingCore: a part of sealing_core.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { SealingCore } from "../../src/ports/mod.ts";
import {
  assertCode,
  type MakeCore,
  NONCE_LIMIT,
  openAt,
  oracleSeal,
  pattern,
  sameBytes,
  TAG_BYTES,
} from "./sealing_oracle.ts";

/** @param core one that the tests share */
export function sealingBatchContract(name: string, core: () => SealingCore, makeCore: MakeCore): void {
  const test = (title: string, body: () => void) => Deno.test(`${name}: ${title}`, body);

  test("sealMany() and openMany() match the oracle for any sizes and associated data", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.array(
          fc.record({
            ad: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 600 })),
            bytes: fc.oneof(fc.nat({ max: 70 }), fc.nat({ max: 200 }), fc.nat({ max: 1200 })),
            gap: fc.nat({ max: 3 }),
          }),
          { maxLength: 40 },
        ),
        fc.nat({ max: 15 }),
        (key, shapes, shift) => {
          const sealer = core().importKey(key);
          const opener = core().importKey(key);
          const batch = layOut(core(), shapes, shift);
          core().sealMany(sealer, batch.table, shapes.length);
          batch.records.forEach(({ ad, plain, at }, i) => {
            const expected = oracleSeal(key, i, ad, plain);
            assert.ok(
              sameBytes(core().memory.subarray(at, at + expected.length), expected),
              `record ${i} of ${plain.length}`,
            );
          });
          assert.equal(core().openMany(opener, batch.table, shapes.length), shapes.length);
          batch.records.forEach(({ ad, plain, at }, i) => {
            assert.ok(
              sameBytes(core().memory.subarray(at, at + plain.length), plain),
              `opened record ${i}`,
            );
            assert.ok(sameBytes(core().memory.subarray(at - ad.length, at), ad));
          });
          core().wipeKey(sealer);
          core().wipeKey(opener);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("sealMany() goes on with the nonces of seal(), and openMany() with those of open()", () => {
    const key = pattern(32, 21);
    const sealer = core().importKey(key);
    const opener = core().importKey(key);
    for (const count of [1, 4, 5, 9]) {
      const shapes = Array.from({ length: count }, (_, i) => ({ ad: 4, bytes: i === 2 ? 1024 : 64, gap: 0 }));
      const batch = layOut(core(), shapes, 0);
      // As many by one way as by the other: 1024 bytes use a one-time key made ahead.
      for (const { ad, at, plain } of batch.records) {
        core().seal(sealer, at - ad.length, ad.length, at, plain.length);
      }
      assert.equal(core().openMany(opener, batch.table, count), count);
      core().sealMany(sealer, batch.table, count);
      for (const { ad, at, plain } of batch.records) {
        assert.ok(core().open(opener, at - ad.length, ad.length, at, plain.length));
      }
    }
    core().sealMany(sealer, core().arena.offset, 0);
    core().wipeKey(sealer);
    core().wipeKey(opener);
  });

  test("openMany() stops at a flipped bit, wipes that record and all behind it, and spends all nonces", () => {
    const key = pattern(32, 22);
    const shapes = [64, 64, 10, 0, 64, 500, 64, 64, 1024, 100, 64].map((bytes) => ({ ad: 4, bytes, gap: 1 }));
    for (let bad = 0; bad < shapes.length; bad++) {
      for (const part of ["tag", "ad", "payload"] as const) {
        if (part === "payload" && shapes[bad].bytes === 0) continue;
        const sealer = core().importKey(key);
        const opener = core().importKey(key);
        const batch = layOut(core(), shapes, bad);
        core().sealMany(sealer, batch.table, shapes.length);
        const { at, plain } = batch.records[bad];
        core().memory[at + { tag: plain.length + 15, ad: -1, payload: plain.length - 1 }[part]] ^= 0x80;
        assert.equal(core().openMany(opener, batch.table, shapes.length), bad);
        batch.records.forEach(({ plain, at }, i) => {
          const shown = core().memory.subarray(at, at + plain.length);
          assert.ok(i < bad ? sameBytes(shown, plain) : shown.every((byte) => byte === 0), `record ${i}`);
        });
        // All nonces are spent: the next one opens.
        const next = oracleSeal(key, shapes.length, new Uint8Array(), pattern(20, 2));
        assert.notEqual(openAt(core(), opener, new Uint8Array(), next), undefined);
        core().wipeKey(sealer);
        core().wipeKey(opener);
      }
    }
  });

  test("sealMany() and openMany() refuse tables and records out of place, and change nothing", () => {
    const { memory, arena } = core();
    const end = arena.offset + arena.bytes;
    const handle = core().importKey(pattern(32, 23));
    const table = arena.offset + 4096;
    const at = arena.offset + 8192;
    const good = [[at, 4, at + 4, 64], [at + 84, 4, at + 88, 64]];
    const refused: [string, number, number[][]][] = [
      ["payloads overlap", table, [good[0], [at + 60, 0, at + 60, 64]]],
      ["a payload lies on the tag before", table, [good[0], [0, 0, at + 83, 64]]],
      ["associated data lies on the tag before", table, [good[0], [at + 83, 4, at + 88, 64]]],
      ["associated data lies behind the payload", table, [[at + 200, 4, at, 64]]],
      ["associated data overlaps the payload", table, [[at, 5, at + 4, 64]]],
      ["descending", table, [good[1], good[0]]],
      ["associated data before the arena", table, [[arena.offset - 4, 4, at, 64]]],
      ["a payload before the arena", table, [[0, 0, arena.offset - 1, 64]]],
      ["a tag behind the arena", table, [[0, 0, end - 79, 64]]],
      ["sizes that wrap", table, [[0, 0, at, 2 ** 32 - 1]]],
      ["associated data that wraps", table, [[at, 2 ** 32 - 1, at + 4, 64]]],
      ["the table lies in a payload", at + 16, good],
      ["the table ends in the first record", at - 28, good],
      ["the table begins in the last tag", at + 167, good],
      ["the table lies before the arena", arena.offset - 16, good],
      ["the table lies behind the arena", end - 16, good],
    ];
    for (const [why, place, rows] of refused) {
      writeRows(memory, place, rows);
      const before = memory.slice(arena.offset, arena.offset + 16384);
      for (const act of ["sealMany", "openMany"] as const) {
        assertCode("core_bounds", () => void core()[act](handle, place, rows.length));
        assert.ok(sameBytes(memory.subarray(arena.offset, arena.offset + 16384), before), why);
      }
    }
    for (const [place, count] of [[-1, 1], [table, -1], [table, 0.5], [table, 2 ** 32], [table, 2 ** 31]]) {
      assertCode("core_bounds", () => core().sealMany(handle, place, count));
      assertCode("core_bounds", () => void core().openMany(handle, place, count));
    }
    writeRows(memory, table, good);
    assertCode("key_handle_stale", () => core().sealMany(handle + 1, table, 2));
    assertCode("key_handle_stale", () => void core().openMany(handle + 1, table, 2));
    // No refusal spent a nonce.
    core().sealMany(handle, table, 2);
    core().wipeKey(handle);
  });

  test("sealMany() and openMany() refuse a batch for which too few nonces are left, and take one that fits", () => {
    const late = makeCore({ firstNonce: NONCE_LIMIT - 5 });
    const key = pattern(32, 24);
    const shapes = Array.from({ length: 6 }, () => ({ ad: 0, bytes: 64, gap: 0 }));
    const handle = late.importKey(key);
    const batch = layOut(late, shapes, 0);
    const { at } = batch.records[0];
    assertCode("nonce_exhausted", () => late.sealMany(handle, batch.table, 6));
    assertCode("nonce_exhausted", () => void late.openMany(handle, batch.table, 6));
    assert.ok(sameBytes(late.memory.subarray(at, at + 64), batch.records[0].plain));
    late.sealMany(handle, batch.table, 5);
    batch.records.slice(0, 5).forEach(({ ad, plain, at }, i) => {
      const expected = oracleSeal(key, NONCE_LIMIT - 5 + i, ad, plain);
      assert.deepEqual(late.memory.slice(at, at + expected.length), expected);
    });
    assertCode("nonce_exhausted", () => late.sealMany(handle, batch.table, 1));
  });
}

interface Shape {
  readonly ad: number;
  readonly bytes: number;
  /** Bytes between the tag before and the associated data. */
  readonly gap: number;
}

/** Puts records one behind the other into the arena, and their table in front of them. */
function layOut(core: SealingCore, shapes: readonly Shape[], shift: number) {
  const table = core.arena.offset + shift;
  let at = table + 16 * shapes.length + 5;
  const records = shapes.map((shape, i) => {
    at += shape.gap;
    const ad = pattern(shape.ad, i + 3);
    const plain = pattern(shape.bytes, i + 1);
    core.memory.set(ad, at);
    core.memory.set(plain, at + shape.ad);
    const record = { ad, plain, at: at + shape.ad };
    at += shape.ad + shape.bytes + TAG_BYTES;
    return record;
  });
  writeRows(
    core.memory,
    table,
    records.map(({ ad, plain, at }) => [at - ad.length, ad.length, at, plain.length]),
  );
  return { table, records };
}

function writeRows(memory: Uint8Array, table: number, rows: readonly number[][]): void {
  const view = new DataView(memory.buffer);
  rows.flat().forEach((word, i) => {
    if (table + 4 * i + 4 <= memory.length) view.setUint32(table + 4 * i, word, true);
  });
}
