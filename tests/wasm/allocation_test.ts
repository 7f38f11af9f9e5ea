/** A record costs no allocation: neither seal() and open() nor the channel's sealer and opener over them. */
import assert from "node:assert/strict";

const RECORDS = 100_000;

/**
 * In a process of its own, whose young generation is so large that nothing is collected while it counts: what the heap
 * has grown by is what was allocated.
 */
async function bytesAllocated(what: string): Promise<number> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--no-prompt",
      "--v8-flags=--expose-gc,--min-semi-space-size=64,--max-semi-space-size=64",
      new URL("./fixture_allocation.ts", import.meta.url).href,
      what,
      String(RECORDS),
    ],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return Number(new TextDecoder().decode(stdout));
}

Deno.test("100,000 seals allocate nothing, by themselves, in batches and through the channel's sealer", async () => {
  for (const what of ["core", "batch", "channel"]) {
    const bytes = await bytesAllocated(what);
    // The smallest object has 16 bytes; a compiler that ends late may leave some.
    assert.ok(bytes < RECORDS / 4, `${what}: ${bytes} bytes`);
  }
});

Deno.test("the measurement sees one small view a record", async () => {
  assert.ok(await bytesAllocated("subarray") > 50 * RECORDS);
});
