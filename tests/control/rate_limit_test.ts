import { controlDefaults } from "../../src/control/mod.ts";
import { RateLimiter } from "../../src/control/rate_limit.ts";

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
