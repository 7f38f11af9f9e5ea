/** BLAKE3 against its published vectors and hash-wasm. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { createBLAKE3 } from "hash-wasm";
import { fromHex, toHex, utf8 } from "../../src/bytes/mod.ts";
import { ARENA_BYTES, DIGEST, HASHER_COUNT, HASHERS, KEY_SLOTS, STAGED_KEY } from "../../wasm/layout.ts";
import { blake3, type Blake3Mode, type CryptoCore, loadCore } from "../../wasm/mod.ts";
import vectors from "../vectors/blake3.json" with { type: "json" };

const KEY = utf8(vectors.key);
const CONTEXT = vectors.context_string;
const plainOracle = await createBLAKE3();
const keyedOracle = await createBLAKE3(256, KEY);

/** The input of the published vectors: 0 to 250, again and again. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

function hashInPieces(core: CryptoCore, input: Uint8Array, pieces: number[], mode?: Blake3Mode): string {
  const hasher = core.createBlake3(mode);
  const { offset } = core.arena;
  let at = 0;
  for (const piece of [...pieces, Infinity]) {
    const bytes = Math.min(piece, input.length - at);
    core.memory.set(input.subarray(at, at + bytes), offset);
    hasher.update(offset, bytes);
    at += bytes;
  }
  const digest = hasher.digest();
  hasher.close();
  return toHex(digest);
}

for (const build of ["relaxed", "plain"] as const) {
  Deno.test(`blake3() and createBlake3() give the published digests in every mode (${build})`, () => {
    const core = loadCore({ build });
    const { memory, arena } = core;
    assert.ok(vectors.cases.length >= 35);
    for (const { input_len: length, ...expected } of vectors.cases) {
      const input = pattern(length);
      memory.set(input, arena.offset + 1);
      const modes: [string, Blake3Mode | undefined][] = [
        [expected.hash, undefined],
        [expected.keyed_hash, { key: KEY }],
        [expected.derive_key, { context: CONTEXT }],
      ];
      for (const [digest, mode] of modes) {
        assert.equal(
          toHex(core.blake3(arena.offset + 1, length, mode)),
          digest.slice(0, 64),
          `${length} bytes`,
        );
        memory.set(input, arena.offset + 1);
        assert.equal(
          hashInPieces(core, input, [700, 1, 3000], mode),
          digest.slice(0, 64),
          `${length} streamed`,
        );
        memory.set(input, arena.offset + 1);
      }
    }
  });

  Deno.test(`blake3() agrees with hash-wasm at every length to 2200 and around whole trees (${build})`, () => {
    const core = loadCore({ build });
    const { memory, arena } = core;
    memory.set(pattern(270_000), arena.offset);
    const lengths = Array.from({ length: 2201 }, (_, i) => i);
    for (const whole of [3, 4, 5, 7, 8, 9, 12, 16, 17, 31, 32, 63, 64, 65, 127, 128, 129, 192, 200, 256]) {
      lengths.push(1024 * whole - 1, 1024 * whole, 1024 * whole + 1, 1024 * whole + 700);
    }
    for (const length of lengths) {
      const at = arena.offset + length % 17;
      const input = memory.subarray(at, at + length);
      assert.equal(
        toHex(core.blake3(at, length)),
        plainOracle.init().update(input).digest("hex"),
        `${length} bytes`,
      );
    }
  });
}

Deno.test("createBlake3() agrees with hash-wasm for any pieces, and digest() may be followed by more", () => {
  const core = loadCore();
  fc.assert(
    fc.property(
      fc.nat({ max: 150_000 }),
      fc.array(fc.nat({ max: 9000 }), { maxLength: 30 }),
      (length, pieces) => {
        const input = pattern(length);
        assert.equal(hashInPieces(core, input, pieces), plainOracle.init().update(input).digest("hex"));
        assert.equal(
          hashInPieces(core, input, pieces, { key: KEY }),
          keyedOracle.init().update(input).digest("hex"),
        );
      },
    ),
    { numRuns: 60 },
  );
  const hasher = core.createBlake3();
  for (let length = 0; length <= 200_000; length += 20_000) {
    assert.equal(toHex(hasher.digest()), plainOracle.init().update(pattern(length)).digest("hex"));
    core.memory.set(pattern(length + 20_000).subarray(length), core.arena.offset);
    hasher.update(core.arena.offset, 20_000);
  }
  hasher.close();
});

Deno.test("blake3() of an array is that of the same bytes in a core", () => {
  for (const length of [0, 1, 64, 1025, 70_000]) {
    const input = pattern(length);
    assert.equal(toHex(blake3(input)), plainOracle.init().update(input).digest("hex"));
    assert.equal(toHex(blake3(input, { key: KEY })), keyedOracle.init().update(input).digest("hex"));
  }
  assert.notEqual(toHex(blake3(pattern(5), { context: "a" })), toHex(blake3(pattern(5), { context: "b" })));
  assert.throws(() => blake3(new Uint8Array(ARENA_BYTES + 1)), { code: "core_bounds" });
});

Deno.test("createBlake3() throws hashers_exhausted beyond 64, and takes a closed one's place again", () => {
  const core = loadCore();
  const hashers = Array.from({ length: HASHER_COUNT }, () => core.createBlake3());
  assert.throws(() => core.createBlake3({ key: KEY }), { name: "PosternError", code: "hashers_exhausted" });
  core.memory.set(pattern(100), core.arena.offset);
  hashers[9].update(core.arena.offset, 100);
  hashers[9].close();
  const again = core.createBlake3();
  again.update(core.arena.offset, 3);
  // The closed one cannot reach into the state that has gone to another.
  assert.throws(() => hashers[9].update(core.arena.offset, 1), { code: "key_handle_stale" });
  assert.throws(() => hashers[9].digest(), { code: "key_handle_stale" });
  hashers[9].close();
  assert.equal(toHex(again.digest()), plainOracle.init().update(pattern(3)).digest("hex"));
});

Deno.test("blake3() and createBlake3() refuse ranges outside the arena and keys of other lengths", () => {
  const core = loadCore();
  const { offset, bytes } = core.arena;
  const hasher = core.createBlake3();
  const bad: [number, number][] = [
    [offset - 1, 2],
    [0, 0],
    [offset, bytes + 1],
    [offset + bytes, 1],
    [-1, 0],
    [
      offset,
      0.5,
    ],
  ];
  for (const [at, length] of bad) {
    assert.throws(() => core.blake3(at, length), { code: "core_bounds" });
    assert.throws(() => hasher.update(at, length), { code: "core_bounds" });
  }
  for (const length of [0, 31, 33]) {
    assert.throws(() => core.blake3(offset, 0, { key: new Uint8Array(length) }), {
      code: "key_length_invalid",
    });
  }
  assert.equal(toHex(core.blake3(offset + bytes, 0)), plainOracle.init().digest("hex"));
});

Deno.test("hashing leaves no key, no input and no chaining value behind", () => {
  const core = loadCore();
  const { memory, arena } = core;
  const hasher = core.createBlake3({ key: fromHex("a5".repeat(32)) });
  for (const length of [0, 1, 64, 100, 1024, 1025, 5000, 16384, 65536, 65537, 200_000]) {
    memory.set(pattern(length), arena.offset);
    for (const mode of [undefined, { key: KEY }, { context: CONTEXT }]) {
      core.blake3(arena.offset, length, mode);
    }
    hasher.update(arena.offset, length);
    hasher.digest();
    assert.ok(memory.subarray(STAGED_KEY, KEY_SLOTS).every((byte) => byte === 0), `after ${length} bytes`);
  }
  hasher.close();
  assert.ok(memory.subarray(HASHERS, arena.offset).every((byte) => byte === 0));
  assert.ok(DIGEST > STAGED_KEY && DIGEST < KEY_SLOTS);
});
