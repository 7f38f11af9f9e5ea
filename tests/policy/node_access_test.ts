import assert from "node:assert/strict";
import fc from "fast-check";
import { matchesNodeId, type NodeAccess, parseNodeSelector, tunnelersOf } from "../../src/policy/mod.ts";

const access = (rules: [connector: string, tunneler: string][], more: Partial<NodeAccess> = {}) => ({
  rules: rules.map(([connector, tunneler]) => ({ connector, tunneler })),
  labelled: [
    { role: "tunneler", nodeId: "t1", labels: ["office", "eu"] },
    { role: "tunneler", nodeId: "t2", labels: ["office"] },
    { role: "connector", nodeId: "c1", labels: ["eu"] },
    { role: "connector", nodeId: "t2", labels: ["office"] },
  ],
  ...more,
});

Deno.test("parseNodeSelector() takes ids, patterns and labels, and nothing else", () => {
  for (const text of ["*", "c1", "eu-*", "*-eu", "a*b*c", "label=office", "label=site=berlin"]) {
    assert.ok(parseNodeSelector(text), text);
  }
  for (
    const text of [
      "",
      "**",
      "*****a",
      "a b",
      "a/b",
      "label=",
      "label=A",
      "label",
      ".a",
      "a..b",
      "é*",
      "x".repeat(65),
    ]
  ) {
    assert.equal(parseNodeSelector(text) === undefined, text !== "label", text);
  }
});

Deno.test("matchesNodeId() matches as the expression that it stands for", () => {
  const chars = fc.string({ unit: fc.constantFrom("a", "b", "-", "."), maxLength: 8 });
  const pattern = fc.array(chars, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("*"));
  fc.assert(fc.property(pattern, chars, (pattern, id) => {
    const source = pattern.split("*").map((part) => part.replaceAll(".", "\\.")).join(".*");
    assert.equal(matchesNodeId(pattern, id), new RegExp(`^${source}$`).test(id));
  }));
});

Deno.test("tunnelersOf() allows nobody without a rule, and resolves labels", () => {
  assert.deepEqual(tunnelersOf(access([]), "c1"), []);
  assert.deepEqual(tunnelersOf(access([["c2", "*"], ["label=us", "*"]]), "c1"), []);
  assert.deepEqual(tunnelersOf(access([["c*", "a-*"], ["c1", "t9"], ["c1", "a-*"]]), "c1"), ["a-*", "t9"]);
  assert.deepEqual(tunnelersOf(access([["label=eu", "label=office"]]), "c1"), ["t1", "t2"]);
  assert.deepEqual(tunnelersOf(access([["label=eu", "label=nobody"]]), "c1"), []);
  assert.deepEqual(tunnelersOf(access([["c1", "x"], ["*", "*"]]), "c1"), ["*"]);
  assert.deepEqual(tunnelersOf(access([["c1", "not one"], ["not one", "*"]]), "c1"), []);
});
