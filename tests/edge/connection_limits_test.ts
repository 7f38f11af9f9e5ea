import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionLimits } from "../../src/edge/connection_limits.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

Deno.test("ConnectionLimits.enter() refuses over either limit with viewer_limit, and counts who left", () => {
  const limits = new ConnectionLimits(4, 2);
  const leave = limits.enter("192.0.2.1");
  limits.enter("192.0.2.1");
  assert.throws(() => limits.enter("192.0.2.1"), code("viewer_limit"));
  limits.enter("192.0.2.2");
  limits.enter("192.0.2.3");
  assert.throws(() => limits.enter("192.0.2.4"), code("viewer_limit"));
  leave();
  leave();
  assert.equal(limits.open, 3);
  limits.enter("192.0.2.1");
  assert.throws(() => limits.enter("192.0.2.1"), code("viewer_limit"));
});

Deno.test("ConnectionLimits.enter() counts the addresses of one IPv6 /64 together", () => {
  const limits = new ConnectionLimits(10, 2);
  limits.enter("2001:db8::1");
  limits.enter("2001:db8::2");
  assert.throws(() => limits.enter("2001:db8::3"), code("viewer_limit"));
  limits.enter("2001:db8:0:1::3");
});

Deno.test("ConnectionLimits comes back to zero after any order of coming and going", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 100 }), (steps) => {
    const limits = new ConnectionLimits(12, 4);
    const open: (() => void)[] = [];
    for (const [address, leaves] of steps) {
      if (leaves) open.pop()?.();
      else {
        try {
          open.push(limits.enter(`192.0.2.${address}`));
        } catch (error) {
          assert.ok(code("viewer_limit")(error));
        }
      }
      assert.equal(limits.open, open.length);
    }
    for (const leave of open) leave();
    assert.equal(limits.open, 0);
    for (let i = 0; i < 4; i++) limits.enter("192.0.2.1");
  }));
});

Deno.test("ConnectionLimits.admit() counts in all before an address is known, and for it afterwards, once", () => {
  const limits = new ConnectionLimits(3, 1);
  const [a, b, c] = [limits.admit(), limits.admit(), limits.admit()];
  assert.throws(() => limits.admit(), code("viewer_limit"));
  a.name("192.0.2.1");
  a.name("192.0.2.1");
  assert.throws(() => b.name("192.0.2.1"), code("viewer_limit"));
  b.leave();
  b.leave();
  assert.equal(limits.open, 2);
  a.leave();
  c.name("192.0.2.1");
  c.leave();
  c.name("192.0.2.1");
  assert.equal(limits.open, 0);
  limits.enter("192.0.2.1");
  assert.throws(() => limits.enter("192.0.2.1"), code("viewer_limit"));
  assert.equal(limits.open, 1);
});
