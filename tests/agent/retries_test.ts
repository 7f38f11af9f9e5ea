import assert from "node:assert/strict";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { LogFields } from "../../src/ports/mod.ts";
import { Retries } from "../../agent/retries.ts";

/** @param jitter byte of which the jitter is made: 0xff is the longest wait */
function retries(jitter = 0xff, maxElapsedMs = 0) {
  const logged: { event: string; fields: LogFields }[] = [];
  const made = new Retries({
    limits: { initialMs: 1_000, maxMs: 8_000, maxElapsedMs },
    random: (bytes) => new Uint8Array(bytes).fill(jitter),
    log: (_level, event, fields = {}) => void logged.push({ event, fields }),
  });
  const next = (code: ErrorCode, now = 0, detail = {}) =>
    made.next(new PosternError(code, undefined, { detail }), now, { code });
  return { made, next, logged };
}

Deno.test("Retries.next() doubles up to the longest wait and begins anew only after a session of a minute", () => {
  const { made, next } = retries();
  assert.deepEqual([1, 2, 3, 4, 5].map(() => next("connect_refused")), [999, 1_999, 3_999, 7_999, 7_999]);
  made.ended(59_999);
  assert.equal(next("connect_refused"), 7_999);
  made.ended(60_000);
  assert.equal(next("connect_refused"), 999);
});

Deno.test("Retries.next() waits a least time whatever the jitter, and as long as control asks for", () => {
  const { next } = retries(0);
  assert.equal(next("connect_refused"), 250);
  assert.equal(next("rate_limited", 0, { retry_after_ms: 45_000 }), 45_000);
});

Deno.test("Retries.next() gives up with backoff_exhausted, naming the failure", () => {
  const { next } = retries(0, 10_000);
  assert.equal(next("connect_refused", 0), 250);
  const over = next("connect_refused", 10_000);
  assert.ok(over instanceof PosternError);
  assert.equal(over.code, "backoff_exhausted");
  assert.equal(over.detail.code, "connect_refused");
});

Deno.test("Retries.isFinal(): a refused token ends at first contact only, and only when control refused it", () => {
  const { made, next } = retries(0);
  const refused = new PosternError("token_revoked");
  assert.equal(made.isFinal(refused, true), true);
  assert.equal(made.isFinal(refused, false), false);
  made.succeeded();
  assert.equal(made.isFinal(refused, true), false);
  assert.equal(next("token_revoked"), 60_000);
  assert.equal(made.isFinal(new PosternError("name_taken"), true), true);
  assert.equal(made.isFinal(new PosternError("control_unreachable"), true), false);
});

Deno.test("Retries logs the first of a row of failures and every tenth", () => {
  const { next, logged } = retries(0);
  for (let n = 0; n < 20; n++) next("connect_refused");
  next("connect_timeout");
  assert.deepEqual(logged.map(({ event, fields }) => [event, fields.code, fields.times]), [
    ["no channel, trying again", "connect_refused", undefined],
    ["still no channel", "connect_refused", 10],
    ["still no channel", "connect_refused", 20],
    ["no channel, trying again", "connect_timeout", undefined],
  ]);
});
