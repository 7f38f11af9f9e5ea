import assert from "node:assert/strict";
import { assertApplicable, clampRules, readRules } from "../../src/rules/mod.ts";

Deno.test("clampRules() brings the idle time of udp flows into 5 to 300 seconds and tells", () => {
  for (const [wanted, held] of [[0, 5], [4, 5], [5, 5], [30, 30], [300, 300], [86_400, 300]]) {
    const { rules, notes } = clampRules(readRules({ udp_idle_seconds: wanted, allow: ["10.0.0.0/8"] }));
    assert.deepEqual(rules, { udp_idle_seconds: held, allow: ["10.0.0.0/8"] });
    assert.deepEqual(
      notes,
      held === wanted ? [] : [`rules.udp_idle_seconds was set to ${held} (allowed: 5 to 300)`],
    );
  }
  assert.deepEqual(clampRules({}), { rules: {}, notes: [] });
});

Deno.test("udp_idle_seconds is a whole number, and for udp services only: rules_invalid", () => {
  for (const value of [-1, 1.5, "30", 86_401]) {
    assert.throws(() => readRules({ udp_idle_seconds: value }), { code: "rules_invalid" });
  }
  assertApplicable({ udp_idle_seconds: 30, deny: [] }, "udp");
  for (const protocol of ["http", "tcp", "tls"]) {
    assert.throws(() => assertApplicable({ udp_idle_seconds: 30 }, protocol), {
      code: "rules_invalid",
      message: /udp services only/,
    });
  }
});
