import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import { Guards } from "../../src/edge/guards.ts";
import { HashQueue } from "../../src/edge/hash_queue.ts";
import { HeaderList } from "../../src/http1/mod.ts";
import { HeldRules } from "../../src/edge/held_rules.ts";
import type { Refusal } from "../../src/edge/refusal.ts";
import { ServiceGuard } from "../../src/edge/service_guard.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const deps = (clock = new VirtualClock()) => ({
  clock,
  random: (bytes: number) => new Uint8Array(bytes).fill(7),
  hashes: new HashQueue(1),
});
const NO_HEADERS = new HeaderList();
const codeBy = (rules: HeldRules, ip: string) => rules.admitConnection(ip)?.code;

/** Asked anew each time, which the compiler does not expect of a property. */
const heldBy = (guard: ServiceGuard) => guard.rules;

Deno.test("HeldRules.refusalOf() lets deny win, takes mapped addresses for IPv4, and fails closed", () => {
  const held = new HeldRules({
    allow: ["10.0.0.0/8", "2001:db8::/32"],
    deny: ["10.0.0.13", "2001:db8:1::/48"],
  }, deps());
  for (const ip of ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "2001:DB8:0:0::1"]) {
    assert.equal(held.admitConnection(ip)?.code, undefined, ip);
  }
  for (
    const ip of [
      "10.0.0.13",
      "::ffff:10.0.0.13",
      "::ffff:a00:d",
      "11.0.0.1",
      "2001:db8:1::2",
      "::1",
      "",
      "unix",
    ]
  ) {
    assert.equal(held.admitConnection(ip)?.code, "address_denied", ip);
  }
  const denied = new HeldRules({ deny: ["fe80::/10"] }, deps());
  assert.equal(codeBy(denied, "fe80::1%eth0"), "address_denied");
  assert.equal(codeBy(denied, "192.0.2.1"), undefined);
  assert.equal(codeBy(denied, "nonsense"), "address_denied");
  assert.equal(new HeldRules({}, deps()).admitConnection("nonsense"), undefined);
});

Deno.test("ServiceGuard.adopt() takes newer rules only, and holds nothing for none", () => {
  const guard = new ServiceGuard(deps());
  assert.equal(heldBy(guard), undefined);
  assert.equal(guard.adopt(undefined), false);
  assert.equal(guard.adopt({ revision: 2, value: '{"deny":["10.0.0.1"]}' }), true);
  assert.equal(heldBy(guard)?.admitConnection("10.0.0.1")?.code, "address_denied");
  assert.equal(guard.adopt({ revision: 1, value: "{}" }), false, "a read that was overtaken");
  assert.equal(heldBy(guard)?.admitConnection("10.0.0.1")?.code, "address_denied");
  assert.equal(guard.adopt({ revision: 3, value: "{}" }), true);
  assert.equal(heldBy(guard), undefined);
  assert.equal(guard.revision, 3);
});

Deno.test("ServiceGuard.adopt() refuses rules that it does not understand, and keeps what it holds", () => {
  const guard = new ServiceGuard(deps());
  guard.adopt({ revision: 1, value: '{"deny":["10.0.0.1"]}' });
  assert.throws(
    () => guard.adopt({ revision: 2, value: '{"later":true}' }),
    (error) => codeOf(error) === "rules_unusable",
  );
  assert.equal(heldBy(guard)?.admitConnection("10.0.0.1")?.code, "address_denied");
});

Deno.test("Guards keep one guard for a tunnel, and forget those that nobody has used for a while", () => {
  const clock = new VirtualClock();
  const guards = new Guards(deps(clock));
  const used = guards.put("tun_1", { revision: 1, value: "{}" });
  guards.put("tun_2", undefined);
  assert.equal(guards.put("tun_1", undefined), used);
  guards.forgetUnused(() => false);
  assert.equal(guards.size, 2, "a session may be on its way");
  clock.advance(120_001);
  guards.forgetUnused((guard) => guard === used);
  assert.equal(guards.size, 1);
  assert.equal(guards.put("tun_1", undefined), used);
});

Deno.test("HeldRules limit the rate of one address, then of all, and an address over its own takes from nobody", () => {
  const clock = new VirtualClock();
  const held = new HeldRules({
    rate: { per_second: 1, burst: 3 },
    rate_per_address: { per_second: 0.5, burst: 2 },
  }, deps(clock));
  const ask = (ip: string) => held.admitRequest(ip, NO_HEADERS, undefined) as Refusal | undefined;
  assert.deepEqual([ask("10.0.0.1"), ask("10.0.0.1")], [undefined, undefined]);
  for (let n = 0; n < 5; n++) {
    assert.deepEqual(ask("10.0.0.1"), { code: "request_rate_limited", headers: [["Retry-After", "2"]] });
  }
  assert.equal(ask("10.0.0.2"), undefined, "the third of all");
  assert.deepEqual(ask("10.0.0.3"), { code: "request_rate_limited", headers: [["Retry-After", "1"]] });
  clock.advance(1_000);
  assert.equal(ask("10.0.0.4"), undefined);
  assert.equal(held.admitConnection("10.0.0.4")?.code, "connection_rate_limited");
});

Deno.test("HeldRules refuse a denied address before anything is counted", () => {
  const held = new HeldRules({ deny: ["10.0.0.1"], rate: { per_second: 1, burst: 1 } }, deps());
  assert.equal((held.admitRequest("10.0.0.1", NO_HEADERS, undefined) as Refusal).code, "address_denied");
  assert.equal(held.admitRequest("10.0.0.2", NO_HEADERS, undefined), undefined);
});

Deno.test("HeldRules.mayTell() is true once a second", () => {
  const clock = new VirtualClock();
  const held = new HeldRules({ deny: ["10.0.0.1"] }, deps(clock));
  assert.deepEqual([held.mayTell(), held.mayTell()], [true, false]);
  clock.advance(1_000);
  assert.deepEqual([held.mayTell(), held.mayTell()], [true, false]);
});
