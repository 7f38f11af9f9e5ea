import assert from "node:assert/strict";
import { systemRandom } from "../../src/driver/mod.ts";
import { requestIds } from "../../src/telemetry/mod.ts";

Deno.test("requestIds() never gives an id twice, across draws", () => {
  let draws = 0;
  const next = requestIds((bytes) => {
    draws++;
    return systemRandom(bytes);
  });
  const ids = new Set(Array.from({ length: 1_000 }, next));
  assert.equal(ids.size, 1_000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(draws, 4);
});
