/**
 * What every SealingCore holds: run over the WASM core, its plain-SIMD build and the slow twin.
 * The oracle for bytes is @noble/ciphers, so the twin over node:crypto is judged as well.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toHex, utf8 } from "../../src/bytes/mod.ts";
import type { SealingCore } from "../../src/ports/mod.ts";
import { sealingBatchContract } from "./sealing_batch.ts";
import {
  assertCode,
  type MakeCore,
  NONCE_LIMIT,
  openAt,
  oracleSeal,
  pattern,
  rekeyOracle,
  sameBytes,
  sealAt,
  TAG_BYTES,
} from "./sealing_oracle.ts";

const MAX_KEY_SLOTS = 1 << 20;

/** Registers the suite under the name of the implementation. */
export function sealingCoreContract(name: string, makeCore: MakeCore): void {
  const test = (title: string, body: () => void) => Deno.test(`${name}: ${title}`, body);
  // One core serves the tests that do not look at the state of a fresh one.
  let shared: SealingCore | undefined;
  const core = () => shared ??= makeCore();
  sealingBatchContract(name, core, makeCore);

  test("arena is 64-byte aligned and lies in memory", () => {
    const { memory, arena } = makeCore();
    assert.equal(arena.offset % 64, 0);
    assert.ok(arena.offset > 0 && arena.bytes >= 1 << 20);
    assert.ok(arena.offset + arena.bytes <= memory.length);
  });

  test("seal() counts its nonces 0, 1, 2 as Noise's ChaChaPoly lays them out", () => {
    const key = pattern(32, 1);
    const handle = core().importKey(key);
    for (let counter = 0; counter < 3; counter++) {
      const plain = utf8("Ladies and Gentlemen of the class of '99: If I could offer you only one tip");
      const ad = fromHex("50515253c0c1c2c3c4c5c6c7");
      assert.equal(
        toHex(sealAt(core(), handle, ad, plain)),
        toHex(oracleSeal(key, counter, ad, plain)),
      );
    }
    core().wipeKey(handle);
  });

  test("seal() and open() match the oracle at every length from 0 to 300", () => {
    const key = pattern(32, 2);
    const sealer = core().importKey(key);
    const opener = core().importKey(key);
    for (let length = 0; length <= 300; length++) {
      checkBoth(core(), key, sealer, opener, length, pattern(length % 65, 7), pattern(length, length), 0);
    }
    core().wipeKey(sealer);
    core().wipeKey(opener);
  });

  test("seal() and open() match the oracle around 16 KiB and 64 KiB", () => {
    const key = pattern(32, 3);
    const sealer = core().importKey(key);
    const opener = core().importKey(key);
    const lengths = [16383, 16384, 16385, 65535, 65536, 65537];
    lengths.forEach((length, counter) => {
      checkBoth(core(), key, sealer, opener, counter, pattern(13, counter), pattern(length, counter), 0);
    });
    core().wipeKey(sealer);
    core().wipeKey(opener);
  });

  test("seal() and open() match the oracle for random lengths, alignments and associated data", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 200 }),
        fc.nat({ max: 2200 }),
        fc.nat({ max: 63 }),
        fc.nat({ max: 255 }),
        (key, ad, length, shift, seed) => {
          const sealer = core().importKey(key);
          const opener = core().importKey(key);
          checkBoth(core(), key, sealer, opener, 0, ad, pattern(length, seed), shift);
          core().wipeKey(sealer);
          core().wipeKey(opener);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("seal() takes associated data before or behind the payload and writes only payload and tag", () => {
    const key = pattern(32, 4);
    const ad = pattern(64, 9);
    const plain = pattern(1000, 10);
    const base = core().arena.offset + 4096;
    for (const adOffset of [base - 64, base + 1000 + TAG_BYTES]) {
      const { memory } = core();
      memory.fill(0xee, base - 256, base + 1400);
      memory.set(ad, adOffset);
      memory.set(plain, base);
      const before = memory.slice(base - 256, base + 1400);
      const handle = core().importKey(key);
      core().seal(handle, adOffset, 64, base, 1000);
      before.set(oracleSeal(key, 0, ad, plain), 256);
      assert.deepEqual(memory.slice(base - 256, base + 1400), before);
      core().wipeKey(handle);
    }
  });

  test("seal() works on the last bytes of the arena", () => {
    const key = pattern(32, 5);
    const { memory, arena } = core();
    const offset = arena.offset + arena.bytes - 333 - TAG_BYTES;
    const handle = core().importKey(key);
    memory.set(pattern(333, 1), offset);
    core().seal(handle, 0, 0, offset, 333);
    assert.equal(
      toHex(memory.slice(offset, offset + 333 + TAG_BYTES)),
      toHex(oracleSeal(key, 0, new Uint8Array(), pattern(333, 1))),
    );
    core().wipeKey(handle);
  });

  test("open() refuses a flipped bit anywhere, wipes the payload and spends the nonce", () => {
    const key = pattern(32, 6);
    const { memory, arena } = core();
    const adOffset = arena.offset;
    const offset = arena.offset + 64;
    for (const length of [0, 1, 15, 16, 64, 65, 255, 256, 600]) {
      const ad = pattern(11, length);
      const sealed = oracleSeal(key, 0, ad, pattern(length, 3));
      const places = [0, 1, length >> 1, length - 1, length, length + 7, length + 8, length + 15];
      for (const place of places.filter((at) => at >= 0)) {
        for (const bit of [0, 3, 7]) {
          const handle = core().importKey(key);
          memory.set(ad, adOffset);
          memory.set(sealed, offset);
          memory[offset + place] ^= 1 << bit;
          assert.equal(core().open(handle, adOffset, 11, offset, length), false);
          assert.ok(memory.subarray(offset, offset + length).every((byte) => byte === 0));
          // The nonce is spent: what was sealed under nonce 0 no longer opens, nonce 1 does.
          memory.set(oracleSeal(key, 1, ad, pattern(length, 3)), offset);
          assert.equal(core().open(handle, adOffset, 11, offset, length), true);
          core().wipeKey(handle);
        }
      }
    }
  });

  test("open() refuses changed, shortened, lengthened and moved associated data", () => {
    const key = pattern(32, 7);
    const ad = pattern(32, 1);
    const sealed = oracleSeal(key, 0, ad, pattern(100, 3));
    const flipped = ad.slice();
    flipped[31] ^= 0x80;
    const wrong = [flipped, ad.subarray(0, 31), new Uint8Array([...ad, 0]), new Uint8Array()];
    for (const other of wrong) {
      const handle = core().importKey(key);
      assert.equal(openAt(core(), handle, other, sealed), undefined);
      core().wipeKey(handle);
    }
  });

  test("open() refuses a record replayed or out of order", () => {
    const key = pattern(32, 8);
    const ad = new Uint8Array();
    const first = oracleSeal(key, 0, ad, pattern(40, 1));
    const handle = core().importKey(key);
    assert.notEqual(openAt(core(), handle, ad, first), undefined);
    assert.equal(openAt(core(), handle, ad, first), undefined);
    core().wipeKey(handle);
  });

  test("importKey() copies the key, and two handles of one key count apart", () => {
    const key = pattern(32, 9);
    const original = key.slice();
    const a = core().importKey(key);
    const b = core().importKey(key);
    key.fill(0);
    const plain = pattern(50, 1);
    const ad = new Uint8Array();
    assert.notEqual(a, b);
    assert.deepEqual(sealAt(core(), a, ad, plain), oracleSeal(original, 0, ad, plain));
    assert.deepEqual(sealAt(core(), a, ad, plain), oracleSeal(original, 1, ad, plain));
    assert.deepEqual(sealAt(core(), b, ad, plain), oracleSeal(original, 0, ad, plain));
    core().wipeKey(a);
    core().wipeKey(b);
  });

  test("importKey() refuses a key that has not 32 bytes", () => {
    for (const length of [0, 31, 33, 64]) {
      assertCode("key_length_invalid", () => core().importKey(new Uint8Array(length)));
    }
  });

  test("importKey() refuses when all slots are taken, and takes a wiped slot again", () => {
    const full = makeCore();
    const handles: number[] = [];
    assertCode("key_slots_exhausted", () => {
      while (handles.length < MAX_KEY_SLOTS) handles.push(full.importKey(pattern(32, handles.length)));
    });
    assert.ok(handles.length >= 1024);
    assert.equal(new Set(handles).size, handles.length);
    full.wipeKey(handles[17]);
    const again = full.importKey(pattern(32, 1));
    assert.ok(!handles.includes(again));
    assertCode("key_slots_exhausted", () => full.importKey(pattern(32, 1)));
  });

  test("handles are non-negative safe integers that never come back after a wipe", () => {
    const fresh = makeCore();
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const handle = fresh.importKey(pattern(32, i));
      assert.ok(Number.isSafeInteger(handle) && handle >= 0);
      assert.ok(!seen.has(handle));
      seen.add(handle);
      fresh.wipeKey(handle);
    }
  });

  test("a wiped handle is refused by seal(), open() and rekey(), also when its slot lives again", () => {
    const fresh = makeCore();
    const { offset } = fresh.arena;
    const stale = fresh.importKey(pattern(32, 1));
    fresh.wipeKey(stale);
    const refused = () => {
      assertCode("key_handle_stale", () => fresh.seal(stale, 0, 0, offset, 16));
      assertCode("key_handle_stale", () => fresh.open(stale, 0, 0, offset, 16));
      assertCode("key_handle_stale", () => fresh.rekey(stale));
    };
    refused();
    const successor = fresh.importKey(pattern(32, 2));
    refused();
    fresh.wipeKey(stale);
    assert.deepEqual(
      sealAt(fresh, successor, new Uint8Array(), pattern(5, 5)),
      oracleSeal(pattern(32, 2), 0, new Uint8Array(), pattern(5, 5)),
    );
  });

  test("handles that never existed are refused by all", () => {
    const fresh = makeCore();
    const { offset } = fresh.arena;
    const handle = fresh.importKey(pattern(32, 1));
    const foreign = [handle + 1, handle - 1, handle + 16384, handle * 2, -handle, handle + 0.5];
    for (const bad of [...foreign, 0, -1, NaN, Infinity, 2 ** 53, 2 ** 64]) {
      assertCode("key_handle_stale", () => fresh.seal(bad, 0, 0, offset, 16));
      assertCode("key_handle_stale", () => fresh.open(bad, 0, 0, offset, 16));
      assertCode("key_handle_stale", () => fresh.rekey(bad));
      assertCode("key_handle_stale", () => fresh.wipeKey(bad));
    }
  });

  test("wipeKey() is idempotent and leaves no byte of the key in memory", () => {
    const fresh = makeCore();
    const key = pattern(32, 77);
    const handle = fresh.importKey(key);
    sealAt(fresh, handle, pattern(20, 1), pattern(1000, 1));
    fresh.wipeKey(handle);
    fresh.wipeKey(handle);
    assert.equal(indexOf(fresh.memory.subarray(0, fresh.arena.offset), key.subarray(0, 8)), -1);
    assert.equal(indexOf(fresh.memory.subarray(0, fresh.arena.offset), key.subarray(24)), -1);
  });

  test("rekey() is Noise REKEY and starts the nonces again", () => {
    const key = pattern(32, 11);
    const next = rekeyOracle(key);
    const plain = pattern(77, 1);
    const ad = pattern(5, 5);
    const handle = core().importKey(key);
    sealAt(core(), handle, ad, plain);
    core().rekey(handle);
    assert.deepEqual(sealAt(core(), handle, ad, plain), oracleSeal(next, 0, ad, plain));
    core().rekey(handle);
    assert.deepEqual(sealAt(core(), handle, ad, plain), oracleSeal(rekeyOracle(next), 0, ad, plain));
    core().wipeKey(handle);
  });

  test("seal() and open() refuse the nonce 2^48, and rekey() gives the handle back", () => {
    const late = makeCore({ firstNonce: NONCE_LIMIT - 1 });
    const { offset } = late.arena;
    const key = pattern(32, 12);
    const handle = late.importKey(key);
    const plain = pattern(30, 2);
    assert.deepEqual(
      sealAt(late, handle, new Uint8Array(), plain),
      oracleSeal(key, NONCE_LIMIT - 1, new Uint8Array(), plain),
    );
    const before = late.memory.slice(offset, offset + 100);
    assertCode("nonce_exhausted", () => late.seal(handle, 0, 0, offset, 30));
    assertCode("nonce_exhausted", () => late.open(handle, 0, 0, offset, 30));
    assertCode("nonce_exhausted", () => late.seal(handle, 0, 0, offset, 30));
    assert.deepEqual(late.memory.slice(offset, offset + 100), before);
    late.rekey(handle);
    assert.deepEqual(
      sealAt(late, handle, new Uint8Array(), plain),
      oracleSeal(rekeyOracle(key), 0, new Uint8Array(), plain),
    );
  });

  test("seal(), open() and mask() refuse ranges outside the arena and sizes that are no counts", () => {
    const { offset: start, bytes: size } = core().arena;
    const end = start + size;
    const handle = core().importKey(pattern(32, 13));
    const ranges: [number, number][] = [
      [start - 1, 16],
      [start - 64, 64],
      [0, 0],
      [end, 1],
      [end + 1, 0],
      [start, size + 1],
      [end - 1, 2],
      [-1, 16],
      [start, -1],
      [start, 2 ** 32 - 1],
      [2 ** 32 - 1, 2 ** 32 - 1],
      [start + 2 ** 32, 16],
      [start, 2 ** 32 + 16],
      [start + 0.5, 16],
      [start, 0.5],
      [NaN, 16],
      [start, NaN],
      [Infinity, 1],
      [2 ** 31, 2 ** 31],
    ];
    for (const [offset, bytes] of ranges) {
      assertCode("core_bounds", () => core().seal(handle, start, 0, offset, bytes));
      assertCode("core_bounds", () => core().open(handle, start, 0, offset, bytes));
      assertCode("core_bounds", () => core().mask(offset, bytes, 1));
      if (bytes === 0) continue;
      assertCode("core_bounds", () => core().seal(handle, offset, bytes, start + 4096, 16));
      assertCode("core_bounds", () => core().open(handle, offset, bytes, start + 4096, 16));
    }
    // Room for the payload, but not for the tag.
    for (const short of [0, 1, 15]) {
      assertCode("core_bounds", () => core().seal(handle, 0, 0, end - 100 - short, 100));
      assertCode("core_bounds", () => core().open(handle, 0, 0, end - 100 - short, 100));
    }
    // No refusal spent a nonce.
    assert.deepEqual(
      sealAt(core(), handle, new Uint8Array(), pattern(9, 9)),
      oracleSeal(pattern(32, 13), 0, new Uint8Array(), pattern(9, 9)),
    );
    core().wipeKey(handle);
  });

  test("seal() and open() refuse associated data that overlaps payload or tag", () => {
    const handle = core().importKey(pattern(32, 14));
    const offset = core().arena.offset + 1024;
    const overlaps: [number, number][] = [
      [offset - 1, 2],
      [offset, 1],
      [offset + 50, 10],
      [offset + 99, 1],
      [offset + 100, 1],
      [offset + 115, 1],
      [offset - 10, 500],
    ];
    for (const [adOffset, adBytes] of overlaps) {
      assertCode("core_bounds", () => core().seal(handle, adOffset, adBytes, offset, 100));
      assertCode("core_bounds", () => core().open(handle, adOffset, adBytes, offset, 100));
    }
    core().seal(handle, offset - 4, 4, offset, 100);
    core().seal(handle, offset + 116, 4, offset, 100);
    core().wipeKey(handle);
  });

  test("rekey() drops what was made ahead under the old key", () => {
    const key = pattern(32, 25);
    const ad = pattern(4, 1);
    const plain = pattern(1024, 2);
    const handle = core().importKey(key);
    sealAt(core(), handle, ad, plain);
    core().rekey(handle);
    for (let i = 0; i < 6; i++) {
      assert.ok(sameBytes(sealAt(core(), handle, ad, plain), oracleSeal(rekeyOracle(key), i, ad, plain)));
    }
    core().wipeKey(handle);
  });

  test("mask() XORs with the four bytes, lowest first, at every alignment and length to 200", () => {
    const { memory, arena } = core();
    const mask = 0xd4c3b2a1;
    for (let length = 0; length <= 200; length++) {
      const offset = arena.offset + 64 + (length % 67);
      const plain = pattern(length + 64, length);
      memory.set(plain, offset - 32);
      const expected = plain.map((byte, i) =>
        i < 32 || i >= length + 32 ? byte : byte ^ [0xa1, 0xb2, 0xc3, 0xd4][(i - 32) % 4]
      );
      // WebSocket code holds masks as signed or unsigned words: both mean the same bytes.
      core().mask(offset, length, length % 2 === 0 ? mask : mask | 0);
      assert.equal(toHex(memory.slice(offset - 32, offset + 32 + length)), toHex(expected));
    }
  });
}

function checkBoth(
  core: SealingCore,
  key: Uint8Array,
  sealer: number,
  opener: number,
  counter: number,
  ad: Uint8Array,
  plain: Uint8Array,
  shift: number,
): void {
  const expected = oracleSeal(key, counter, ad, plain);
  const at = `length ${plain.length}, AD ${ad.length}, shift ${shift}`;
  assert.ok(sameBytes(sealAt(core, sealer, ad, plain, shift), expected), `seal at ${at}`);
  const opened = openAt(core, opener, ad, expected, shift);
  assert.ok(opened !== undefined && sameBytes(opened, plain), `open at ${at}`);
}

function indexOf(haystack: Uint8Array, needle: Uint8Array): number {
  for (let at = haystack.indexOf(needle[0]); at !== -1; at = haystack.indexOf(needle[0], at + 1)) {
    if (needle.every((byte, i) => haystack[at + i] === byte)) return at;
  }
  return -1;
}
