import assert from "node:assert/strict";
import { VerdictCache } from "../../src/tokens/verdict_cache.ts";

Deno.test("VerdictCache keeps nothing beyond its time, and the newest of what is too much", () => {
  const cache = new VerdictCache(2);
  cache.put("a", 1, 100, 0);
  cache.put("over", 9, 50, 50);
  assert.equal(cache.size, 1, "what has ended is not taken in");
  assert.equal(cache.find("a", 99), 1);
  assert.equal(cache.find("a", 100), undefined);
  assert.equal(cache.size, 0);
  cache.put("a", 1, 100, 0);
  cache.put("b", 2, 100, 0);
  cache.put("a", 3, 100, 0);
  cache.put("c", 4, 100, 0);
  assert.deepEqual(["a", "b", "c"].map((key) => cache.find(key, 0)), [3, undefined, 4]);
});
