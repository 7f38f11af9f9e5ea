import assert from "node:assert/strict";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { assertApplicable, formatRules, maxRuleBlocks, parseRules, readRules } from "../../src/rules/mod.ts";

function refusalOf(work: () => unknown): string {
  try {
    work();
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof PosternError);
    return `${codeOf(error)} ${error.message.split(": ").slice(1).join(": ")}`;
  }
}

Deno.test("readRules() takes what it knows and gives the same text for the same rules", () => {
  const rules = readRules({ deny: ["10.0.0.13"], allow: ["10.0.0.0/8", "2001:db8::/32"] });
  assert.equal(formatRules(rules), '{"allow":["10.0.0.0/8","2001:db8::/32"],"deny":["10.0.0.13"]}');
  assert.deepEqual(parseRules(formatRules(rules)), rules);
  assert.deepEqual(readRules({}), {});
});

Deno.test("readRules() refuses unknown members, other forms and what is over a limit, without repeating values", () => {
  const secret = "hunter2";
  for (
    const raw of [
      { alow: ["10.0.0.0/8"] },
      { allow: [secret] },
      { allow: "10.0.0.0/8" },
      { allow: ["10.0.0.0/33"] },
      { rate: { per_second: 0, burst: 1 } },
      { rate: { per_second: 1 } },
      { rate: { per_second: 1, burst: 0.5 } },
      { rate: { per_second: 1e9, burst: 1 } },
      { rate_per_address: { per_second: 1, burst: 1, extra: 1 } },
      { allow: new Array(maxRuleBlocks + 1).fill("10.0.0.0/8") },
      [],
      null,
      "x",
    ]
  ) {
    const refusal = refusalOf(() => readRules(raw));
    assert.match(refusal, /^rules_invalid rules/, JSON.stringify(raw));
    assert.ok(!refusal.includes(secret));
  }
});

Deno.test("assertApplicable() lets a tcp service have rules about addresses", () => {
  assertApplicable({ allow: ["::1"], deny: [] }, "tcp");
  assertApplicable({}, "tcp");
});

Deno.test("parseRules() refuses what a later version may have stored: rules_unusable", () => {
  for (const text of ['{"later":1}', "[]", "not json", '{"allow":["x"]}']) {
    assert.match(refusalOf(() => parseRules(text)), /^rules_unusable/);
  }
});
