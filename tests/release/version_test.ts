import assert from "node:assert/strict";
import { compareVersions, isVersion } from "../../src/release/mod.ts";

Deno.test("compareVersions() orders as Semantic Versioning 2.0.0 section 11 does", () => {
  const ordered = [
    "0.9.10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.2",
    "1.0.10",
    "2.0.0",
  ];
  for (const [a, left] of ordered.entries()) {
    for (const [b, right] of ordered.entries()) {
      assert.equal(Math.sign(compareVersions(left, right)), Math.sign(a - b), `${left} ${right}`);
    }
  }
});

Deno.test("isVersion() takes nothing that has no order", () => {
  for (
    const text of [
      "1.0",
      "01.0.0",
      "1.0.0+5",
      "v1.0.0",
      "",
      "1.0.0-",
      "1.0.0-01",
      "1.0.0\n",
      `1.0.0-${"a".repeat(64)}`,
    ]
  ) {
    assert.equal(isVersion(text), false, text);
  }
  assert.throws(() => compareVersions("1.0.0", "latest"), SyntaxError);
});
