import assert from "node:assert/strict";
import { edgeDefaults } from "../src/config/mod.ts";
import { rotationOf } from "../src/control_settings.ts";

Deno.test("rotationOf() keeps a retired key for as long as the longest token that it may have signed", () => {
  const dayMs = 86_400_000;
  assert.equal(rotationOf(edgeDefaults()).retainMs, 7 * dayMs + 30_000);
  assert.equal(rotationOf(edgeDefaults({ "tokens.recreate_max": "30d" })).retainMs, 30 * dayMs + 30_000);
  assert.equal(
    rotationOf(edgeDefaults({ "tokens.management": "20d", "tokens.clock_skew": "0" })).retainMs,
    20 * dayMs,
  );
  const seldom = {
    "reauth.interval": "24h",
    "reauth.maintenance_cap": "24h",
    "tokens.recreate_max": "1h",
    "tokens.management": "1h",
    "tokens.clock_skew": "0",
  };
  assert.equal(rotationOf(edgeDefaults(seldom)).retainMs, (22 * dayMs) / 10 + 10_000 + 120_000);
});
