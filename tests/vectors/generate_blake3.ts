/**
 * Writes tests/vectors/blake3.json: digests of BLAKE3 in its three modes, in the layout of the project's published
 * vectors, made by @noble/hashes. Run with `deno run -A tests/vectors/generate_blake3.ts [PUBLISHED]`: given the published
 * `test_vectors.json`, it checks that every digest stands there as well.
 */
import assert from "node:assert/strict";
import { blake3 } from "npm:@noble/hashes@2.4.0/blake3.js";
import { toHex, utf8 } from "../../src/bytes/mod.ts";

const KEY = "whats the Elvish word for friend";
const CONTEXT = "BLAKE3 2019-12-27 16:29:52 test vectors context";
const LENGTHS = [
  ...[
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    63,
    64,
    65,
    127,
    128,
    129,
    1023,
    1024,
    1025,
    2048,
    2049,
    3072,
    3073,
    4096,
    4097,
  ],
  ...[5120, 5121, 6144, 6145, 7168, 7169, 8192, 8193, 16384, 31744, 102400],
];

const cases = LENGTHS.map((length) => {
  const input = Uint8Array.from({ length }, (_, i) => i % 251);
  return {
    input_len: length,
    hash: toHex(blake3(input)),
    keyed_hash: toHex(blake3(input, { key: utf8(KEY) })),
    derive_key: toHex(blake3(input, { context: utf8(CONTEXT) })),
  };
});

const [published] = Deno.args;
if (published !== undefined) {
  const file = JSON.parse(Deno.readTextFileSync(published)) as {
    key: string;
    context_string: string;
    cases: typeof cases;
  };
  assert.equal(file.key, KEY);
  assert.equal(file.context_string, CONTEXT);
  for (const { input_len, ...extended } of file.cases) {
    const own = cases.find((one) => one.input_len === input_len);
    assert.ok(own !== undefined, `${input_len} bytes`);
    for (const mode of ["hash", "keyed_hash", "derive_key"] as const) {
      assert.equal(own[mode], extended[mode].slice(0, 64), `${mode} of ${input_len} bytes`);
    }
  }
}
Deno.writeTextFileSync(
  new URL("./blake3.json", import.meta.url),
  `${JSON.stringify({ key: KEY, context_string: CONTEXT, cases }, null, 2)}\n`,
);
