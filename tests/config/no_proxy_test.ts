import assert from "node:assert/strict";
import { agentDefaults, bypassesProxy } from "../../src/config/mod.ts";
import { isNoProxyRule } from "../../src/config/no_proxy.ts";

const cases: [rule: string, host: string, port: number, bypasses: boolean][] = [
  ["*", "anything.example", 443, true],
  ["example.com", "example.com", 443, true],
  ["example.com", "EDGE.Example.COM.", 443, true],
  ["example.com", "notexample.com", 443, false],
  [".example.com", "a.b.example.com", 443, true],
  [".example.com", "example.com", 443, false],
  ["*.example.com", "edge.example.com", 443, true],
  ["example.com:8443", "example.com", 8443, true],
  ["example.com:8443", "example.com", 443, false],
  ["10.0.0.0/8", "10.1.2.3", 443, true],
  ["10.0.0.0/8", "11.1.2.3", 443, false],
  ["10.1.2.3", "10.1.2.3", 443, true],
  ["10.1.2.3", "10.1.2.3.example", 443, false],
  ["10.1.2.3:80", "10.1.2.3", 443, false],
  ["fd00::/8", "fd12::1", 443, true],
  ["::1", "0:0:0:0:0:0:0:1", 443, true],
  ["[::1]:8080", "::1", 8080, true],
  ["[::1]:8080", "::1", 8081, false],
  ["localhost", "api.localhost", 80, true],
  ["3.example", "1.2.3.4", 80, false],
];

for (const [rule, host, port, bypasses] of cases) {
  Deno.test(`bypassesProxy() with ${rule}: ${host} ${port} goes ${bypasses ? "straight" : "through"}`, () => {
    assert.ok(isNoProxyRule(rule));
    assert.equal(bypassesProxy(["other.test", rule], host, port), bypasses);
  });
}

Deno.test("no_proxy: this machine is reached straight unless told otherwise; what is no rule is refused", () => {
  const { noProxy } = agentDefaults();
  assert.equal(bypassesProxy(noProxy, "api.localhost", 80), true);
  assert.equal(bypassesProxy(noProxy, "127.8.9.1", 80), true);
  assert.equal(bypassesProxy(noProxy, "edge.example", 80), false);
  assert.deepEqual(agentDefaults({ no_proxy: "" }).noProxy, []);
  assert.deepEqual(agentDefaults({ no_proxy: "a.test, .b.test:81" }).noProxy, ["a.test", ".b.test:81"]);
  for (
    const rule of [
      "http://a.test",
      "a b",
      "10.0.0.0/33",
      "a.test:0",
      "a.test:99999",
      "[a.test]:80",
      "**",
      "-",
    ]
  ) {
    assert.throws(() => agentDefaults({ no_proxy: rule }), { code: "config_value_invalid" }, rule);
  }
});
