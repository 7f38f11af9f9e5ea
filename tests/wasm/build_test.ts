import assert from "node:assert/strict";
import { buildOutputs } from "../../wasm/build.ts";
import * as layout from "../../wasm/layout.ts";

const WASM = new URL("../../wasm/", import.meta.url);

Deno.test("a fresh build gives the committed files byte for byte", async () => {
  const outputs = await buildOutputs();
  assert.equal(outputs.size, 6);
  for (const [name, fresh] of outputs) {
    const committed = Deno.readFileSync(new URL(name, WASM));
    assert.ok(
      committed.length === fresh.length && committed.every((byte, i) => byte === fresh[i]),
      `wasm/${name} differs: run deno task build:wasm`,
    );
  }
});

Deno.test("the modules import nothing and export exactly the ABI", () => {
  for (const name of ["core.wasm", "core_v128.wasm"]) {
    const module = new WebAssembly.Module(Deno.readFileSync(new URL(name, WASM)));
    assert.deepEqual(WebAssembly.Module.imports(module), []);
    const exports = Object.entries(new WebAssembly.Instance(module).exports);
    const abi = exports.map(([name, value]) =>
      typeof value === "function" ? `${name}/${value.length}` : name
    );
    assert.deepEqual(abi.sort(), [
      "blake3/3",
      "closeHasher/1",
      "digestHasher/1",
      "importKey/1",
      "mask/3",
      "memory",
      "open/5",
      "openHasher/1",
      "openMany/3",
      "openOnce/4",
      "rekey/1",
      "seal/5",
      "sealMany/3",
      "sealOnce/4",
      "updateHasher/3",
      "wipeKey/1",
    ]);
    const drawn = Deno.readTextFileSync(new URL("README.md", WASM));
    for (const [name] of exports) {
      assert.match(drawn, new RegExp(`^\\| \`${name}\\b`, "m"), `README.md has no ${name}`);
    }
  }
});

Deno.test("the memory has its full size from the start and cannot grow", () => {
  const module = new WebAssembly.Module(Deno.readFileSync(new URL("core.wasm", WASM)));
  const { memory } = new WebAssembly.Instance(module).exports as { memory: WebAssembly.Memory };
  assert.equal(memory.buffer.byteLength, layout.MEMORY_BYTES);
  assert.throws(() => memory.grow(1), RangeError);
});

Deno.test("memory.ts, layout.ts and README.md draw the same map", () => {
  const source = Deno.readTextFileSync(new URL("assembly/memory.ts", WASM));
  const constants = new Map(
    [...source.matchAll(/export const (\w+): \w+ = (\w+);/g)].map(([, name, value]) => [name, Number(value)]),
  );
  const pairs: [string, number][] = [
    ["STAGED_KEY", layout.STAGED_KEY],
    ["STAGED_NONCE", layout.STAGED_NONCE],
    ["SCRATCH_END", layout.SCRATCH_END],
    ["SLOTS", layout.KEY_SLOTS],
    ["SLOT_COUNT", layout.KEY_SLOT_COUNT],
    ["SLOT_BYTES", layout.KEY_SLOT_BYTES],
    ["DIGEST", layout.DIGEST],
    ["HASHERS", layout.HASHERS],
    ["HASHER_COUNT", layout.HASHER_COUNT],
    ["ARENA", layout.ARENA_OFFSET],
    ["ARENA_END", layout.MEMORY_BYTES],
    ["TAG_BYTES", layout.TAG_BYTES],
  ];
  for (const [name, value] of pairs) assert.equal(constants.get(name), value, name);

  const drawn = Deno.readTextFileSync(new URL("README.md", WASM));
  for (const [name, value] of constants) {
    if (["SLOT_COUNT", "SLOT_BYTES", "HASHER_COUNT", "HASHER_BYTES", "TAG_BYTES"].includes(name)) continue;
    const row = new RegExp(`^0x0*${value.toString(16)} .*\\b${name}\\b`, "m");
    assert.match(drawn, row, `README.md has no row for ${name} at 0x${value.toString(16)}`);
  }
});
