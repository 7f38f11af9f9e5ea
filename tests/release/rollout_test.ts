import assert from "node:assert/strict";
import fc from "fast-check";
import { isInRollout, rolloutPlace } from "../../src/release/mod.ts";

const release = (percent: number, labels: string[] = [], version = "1.1.0") => ({
  channel: "stable",
  version,
  rollout: { percent, labels },
});

Deno.test("isInRollout() takes nobody out when the percentage grows", () => {
  fc.assert(fc.property(
    fc.string(),
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 0, max: 100 }),
    (id, a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)];
      assert.ok(!isInRollout(release(less), id, []) || isInRollout(release(more), id, []));
    },
  ));
});

Deno.test("isInRollout() has nobody at 0 % and everybody at 100 %, whoever they are", () => {
  fc.assert(fc.property(fc.option(fc.string(), { nil: undefined }), (id) => {
    assert.equal(isInRollout(release(0), id, []), false);
    assert.equal(isInRollout(release(100), id, []), true);
  }));
  assert.equal(
    isInRollout(release(99), undefined, []),
    false,
    "a machine whose id is not known waits for all",
  );
});

Deno.test("rolloutPlace() spreads machines evenly, in another order for each version", () => {
  const ids = Array.from({ length: 4_000 }, (_, index) => `agent-${index}`);
  for (const percent of [5, 10, 50]) {
    const share = ids.filter((id) => isInRollout(release(percent), id, [])).length / ids.length * 100;
    assert.ok(Math.abs(share - percent) < 3, `${percent} %: ${share} %`);
  }
  const early = (version: string) =>
    new Set(ids.filter((id) => isInRollout(release(10, [], version), id, [])));
  const [one, other] = [early("1.1.0"), early("1.2.0")];
  assert.ok(one.intersection(other).size < one.size / 2);
  assert.equal(rolloutPlace("agent-1", release(1)), rolloutPlace("agent-1", release(99)));
});

Deno.test("isInRollout() with labels takes machines with one of them, and the percentage of those", () => {
  assert.equal(isInRollout(release(100, ["canary", "lab"]), "a", ["lab", "rack-7"]), true);
  assert.equal(isInRollout(release(100, ["canary"]), "a", ["rack-7"]), false);
  assert.equal(isInRollout(release(100, ["canary"]), "a", []), false);
  assert.equal(isInRollout(release(0, ["canary"]), "a", ["canary"]), false);
});
