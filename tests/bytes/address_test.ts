import assert from "node:assert/strict";
import fc from "fast-check";
import { formatHostPort, ipBytes, ipText, networkOf, parseHostPort } from "../../src/bytes/mod.ts";

Deno.test("ipBytes() reads IPv4, IPv6 and mapped addresses, and nothing else", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "c0000201"],
    ["0.0.0.0", "00000000"],
    ["::", "00".repeat(16)],
    ["::1", `${"00".repeat(15)}01`],
    ["2001:DB8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
    ["2001:db8::9", "20010db8000000000000000000000009"],
    ["fe80::", `fe80${"00".repeat(14)}`],
    ["::ffff:192.0.2.1", "c0000201"],
    ["::ffff:c000:201", "c0000201"],
    ["64:ff9b::192.0.2.1", "0064ff9b0000000000000000c0000201"],
  ];
  for (const [text, hex] of cases) assert.equal(ipBytes(text)?.toHex(), hex, text);
  const refused = [
    "",
    "x",
    "localhost",
    "10.0.0",
    "10.0.0.256",
    "1.2.3.4:80",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "[::1]",
    "::1%eth0",
    "::1]/[",
    "x@[::1",
    "::ffff:1.2.3.4.5",
  ];
  for (const text of refused) assert.equal(ipBytes(text), undefined, text);
  fc.assert(fc.property(fc.ipV4(), (text) => ipBytes(text)?.join(".") === text));
  fc.assert(fc.property(fc.ipV6(), (text) => ipBytes(text) !== undefined));
});

Deno.test("networkOf() takes an IPv6 /64 for one client and a mapped address for IPv4", () => {
  assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(networkOf("2001:0DB8:1:2::9"), "2001:db8:1:2::/64");
  assert.equal(networkOf("2001:db8::9"), "2001:db8:0:0::/64");
  assert.equal(networkOf("::1"), "0:0:0:0::/64");
  assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.notEqual(networkOf("2001:db8:1:2::1"), networkOf("2001:db8:1:3::1"));
  for (const text of ["unknown", "memory", ""]) assert.equal(networkOf(text), text);
});

Deno.test("formatHostPort() puts brackets around IPv6 addresses only", () => {
  assert.equal(formatHostPort("::1", 80), "[::1]:80");
  assert.equal(formatHostPort("192.0.2.1", 80), "192.0.2.1:80");
  assert.equal(formatHostPort("web.example", 443), "web.example:443");
});

Deno.test("ipText() writes what ipBytes() reads, in the shortest form", () => {
  for (
    const text of ["192.0.2.1", "0.0.0.0", "::", "::1", "2001:db8::1", "fe80::1:0:0:1", "1:2:3:4:5:6:7:8"]
  ) {
    assert.equal(ipText(ipBytes(text)!), text);
  }
  const mapped = new Uint8Array([...new Uint8Array(10), 0xff, 0xff, 192, 0, 2, 1]);
  assert.equal(ipText(mapped), "192.0.2.1");
});

Deno.test("parseHostPort() reads what formatHostPort() writes, without a zone", () => {
  for (const [host, port] of [["192.0.2.1", 0], ["::1", 65_535], ["a.test", 443]] as const) {
    assert.deepEqual(parseHostPort(formatHostPort(host, port)), { host, port });
  }
  assert.deepEqual(parseHostPort("[fe80::1%eth0]:7"), { host: "fe80::1", port: 7 });
  for (const text of ["", "a", "a:", ":1", "::1:1x", "[::1]", "[::1:1", "a:65536", "a:-1"]) {
    assert.equal(parseHostPort(text), undefined, text);
  }
});
