import assert from "node:assert/strict";
import fc from "fast-check";
import { Backoff } from "../../src/channel/mod.ts";

const fill = (byte: number) => (bytes: number) => new Uint8Array(bytes).fill(byte);

Deno.test("Backoff.next() has full jitter under a ceiling that doubles up to its maximum", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 60 }),
      (initialMs, maxMs, draws) => {
        let draw = 0;
        const backoff = new Backoff({ initialMs, maxMs, maxElapsedMs: 0 }, (bytes) => {
          const out = new Uint8Array(bytes);
          new DataView(out.buffer).setUint32(0, draws[draw++]);
          return out;
        });
        draws.forEach((value, attempt) => {
          const ceiling = Math.min(maxMs, initialMs * 2 ** attempt);
          const wait = backoff.next(attempt * 1e6)!;
          assert.ok(wait >= 0 && wait < ceiling, `${wait} of ${ceiling}`);
          assert.equal(wait, Math.floor(value / 2 ** 32 * ceiling));
        });
        assert.equal(backoff.attempts, draws.length);
      },
    ),
  );
});

Deno.test("Backoff.next() reaches both ends of the jitter", () => {
  assert.equal(new Backoff({ initialMs: 1_000, maxMs: 30_000, maxElapsedMs: 0 }, fill(0)).next(0), 0);
  assert.equal(new Backoff({ initialMs: 1_000, maxMs: 30_000, maxElapsedMs: 0 }, fill(0xff)).next(0), 999);
});

Deno.test("Backoff.next() gives up when nothing has succeeded for the given time, counted from the first failure", () => {
  const backoff = new Backoff({ initialMs: 10, maxMs: 20, maxElapsedMs: 1_000 }, fill(0x80));
  assert.equal(backoff.next(5_000), 5);
  assert.equal(backoff.next(5_999), 10);
  assert.equal(backoff.next(6_000), undefined);
  backoff.reset();
  assert.equal(backoff.attempts, 0);
  assert.equal(backoff.next(7_000), 5);
  assert.equal(backoff.next(7_999), 10);
  assert.equal(backoff.next(8_000), undefined);
});
