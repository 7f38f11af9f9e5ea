import assert from "node:assert/strict";
import { chooseBuild } from "../../wasm/instance.ts";
import { loadCore } from "../../wasm/mod.ts";

Deno.test("chooseBuild() takes relaxed SIMD, else plain SIMD, else throws simd_missing", () => {
  assert.equal(chooseBuild(() => true), "relaxed");
  let calls = 0;
  assert.equal(chooseBuild(() => calls++ > 0), "plain");
  assert.throws(() => chooseBuild(() => false), { name: "PosternError", code: "simd_missing" });
});

Deno.test("loadCore() gives each caller memory and keys of its own", () => {
  const a = loadCore();
  const b = loadCore();
  a.memory[a.arena.offset] = 1;
  assert.equal(b.memory[b.arena.offset], 0);
  const handle = a.importKey(new Uint8Array(32));
  assert.throws(() => b.seal(handle, 0, 0, b.arena.offset, 1), { code: "key_handle_stale" });
});

Deno.test("loadCore() needs no permission at all", async () => {
  const worker = new URL("./fixture_seal_once.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", worker.href],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "sealed");
});
