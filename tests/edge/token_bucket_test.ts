import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressBuckets, TokenBucket } from "../../src/edge/token_bucket.ts";

/** Two a second, four at once. */
const rate = { intervalMs: 500, burst: 4 };

Deno.test("TokenBucket.take() gives the burst at once, then one each interval, and says when the next one comes", () => {
  const bucket = new TokenBucket(rate);
  for (let n = 0; n < 4; n++) assert.equal(bucket.take(1_000), 0);
  assert.equal(bucket.take(1_000), 500);
  assert.equal(bucket.take(1_400), 100);
  assert.equal(bucket.take(1_500), 0);
  assert.equal(bucket.take(1_500), 500);
  for (let n = 0; n < 4; n++) assert.equal(bucket.take(100_000), 0, "full again, and no fuller");
  assert.equal(bucket.take(100_000), 500);
});

Deno.test("TokenBucket.take() never gives more than the burst and what has come back since", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(900), { maxLength: 200 }), (waits) => {
      const bucket = new TokenBucket(rate);
      let now = 0;
      let taken = 0;
      for (const wait of waits) {
        now += wait;
        if (bucket.take(now) === 0) taken++;
        assert.ok(taken <= rate.burst + now / rate.intervalMs);
      }
    }),
  );
});

Deno.test("AddressBuckets count each IPv4 address and each IPv6 /64 for itself", () => {
  const buckets = new AddressBuckets({ intervalMs: 1_000, burst: 1 }, 100, 1);
  assert.equal(buckets.take("192.0.2.1", 0), 0);
  assert.equal(buckets.take("192.0.2.2", 0), 0);
  assert.notEqual(buckets.take("::ffff:192.0.2.1", 0), 0);
  assert.equal(buckets.take("2001:db8::1", 0), 0);
  assert.notEqual(buckets.take("2001:db8::ffff:2", 0), 0);
  assert.equal(buckets.take("2001:db8:0:1::1", 0), 0);
  assert.equal(buckets.size, 4);
});

Deno.test("AddressBuckets stay bounded, and nobody gets a fresh bucket by filling the table", () => {
  const slow = { intervalMs: 60_000, burst: 2 };
  const buckets = new AddressBuckets(slow, 50, 1);
  const spend = (address: string) => buckets.take(address, 1_000) === 0;
  assert.deepEqual([spend("192.0.2.1"), spend("192.0.2.1"), spend("192.0.2.1")], [true, true, false]);
  let served = 0;
  for (let n = 0; n < 5_000; n++) {
    if (spend(`10.${n >> 8}.${n & 255}.1`)) served++;
    assert.ok(buckets.size <= 50);
  }
  assert.equal(spend("192.0.2.1"), false);
  assert.ok(served <= 49 + 256 * 2, `${served} newcomers had a bucket of their own, or a share`);
});

Deno.test("AddressBuckets forget buckets that are full again, so that newcomers have their own", () => {
  const buckets = new AddressBuckets({ intervalMs: 1_000, burst: 1 }, 50, 1);
  for (let n = 0; n < 50; n++) buckets.take(`10.0.0.${n}`, 0);
  for (let n = 0; n < 50; n++) assert.equal(buckets.take(`10.0.1.${n}`, 2_000), 0);
  assert.equal(buckets.size, 50);
});

Deno.test("AddressBuckets.untake() gives a token back, to those that have a bucket", () => {
  const buckets = new AddressBuckets({ intervalMs: 1_000, burst: 1 }, 1, 1);
  assert.equal(buckets.take("10.0.0.1", 5_000), 0);
  buckets.untake("10.0.0.1");
  buckets.untake("10.0.0.2");
  assert.equal(buckets.take("10.0.0.1", 5_000), 0);
  assert.equal(buckets.take("10.0.0.1", 5_000), 1_000);
});
