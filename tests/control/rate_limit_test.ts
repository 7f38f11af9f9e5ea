import assert from "node:assert/strict";
import { controlDefaults } from "../../src/control/mod.ts";
import { maxBuckets, RateLimiter } from "../../src/control/rate_limit.ts";
import { codeOf } from "../../src/errors/mod.ts";

/** As many as an edge has at most unless it is told otherwise. */
const channels = 1_000;
/** A challenge and its answer. */
const requestsEach = 2;

Deno.test("RateLimiter lets a thousand channels behind one address open at once and prove themselves each minute", () => {
  let nowMs = 0;
  const limiter = new RateLimiter(controlDefaults.rates, () => nowMs);
  for (let sent = 0; sent < channels * requestsEach; sent++) limiter.spend("attest", "203.0.113.7");
  for (let minute = 0; minute < 3; minute++) {
    for (let sent = 0; sent < channels * requestsEach; sent++) {
      nowMs += 60_000 / (channels * requestsEach);
      limiter.spend("attest", "203.0.113.7");
    }
  }
});

Deno.test("RateLimiter remembers codes of an account, its passwords and owners however many addresses and names come", () => {
  const limiter = new RateLimiter(controlDefaults.rates, () => 0);
  const isRefused = (error: unknown) => codeOf(error) === "rate_limited";
  const groups = ["code", "grant_owner", "account"] as const;
  for (const group of groups) {
    for (let sent = 0; sent < controlDefaults.rates[group].burst; sent++) limiter.spend(group, "ann");
  }
  for (let n = 0; n <= maxBuckets; n++) {
    limiter.spend("read", `2001:db8:${(n >> 8).toString(16)}:${(n & 255).toString(16)}::1`);
  }
  for (const group of groups) assert.throws(() => limiter.spend(group, "ann"), isRefused, group);
  for (let n = 0; n <= maxBuckets; n++) limiter.spend("account", `name ${n}`);
  assert.throws(() => limiter.spend("code", "ann"), isRefused);
  limiter.spend("account", "ann");
});
