import assert from "node:assert/strict";
import fc from "fast-check";
import { TrustedProxies, withoutPort } from "../../src/edge/client_ip.ts";

Deno.test("TrustedProxies.trusts() matches blocks bit by bit, IPv4, IPv6 and mapped", () => {
  const proxies = new TrustedProxies([
    "10.0.0.0/8",
    "192.0.2.128/25",
    "203.0.113.9",
    "fd00::/8",
    "2001:db8::1",
  ]);
  const yes = [
    "10.0.0.0",
    "10.255.255.255",
    "192.0.2.128",
    "192.0.2.255",
    "203.0.113.9",
    "::ffff:10.1.2.3",
    "fd12::1",
    "2001:db8::1",
    "2001:DB8:0:0::1",
  ];
  const no = [
    "11.0.0.0",
    "192.0.2.127",
    "203.0.113.8",
    "fe00::1",
    "2001:db8::2",
    "",
    "x",
    "10.0.0",
    "10.0.0.256",
  ];
  for (const address of yes) assert.equal(proxies.trusts(address), true, address);
  for (const address of no) assert.equal(proxies.trusts(address), false, address);
  assert.equal(new TrustedProxies([]).trusts("10.0.0.1"), false);
  assert.equal(new TrustedProxies(["::ffff:10.0.0.0/104"]).trusts("10.9.9.9"), true);
  assert.equal(new TrustedProxies(["::ffff:10.0.0.0/104"]).trusts("11.0.0.0"), false);
  assert.equal(new TrustedProxies(["0.0.0.0/0"]).trusts("8.8.8.8"), true);
  assert.equal(new TrustedProxies(["0.0.0.0/0"]).trusts("2001:db8::1"), false);
  assert.throws(() => new TrustedProxies(["proxy.example"]), TypeError);
});

Deno.test("TrustedProxies.trusts() agrees with arithmetic for any IPv4 block", () => {
  fc.assert(
    fc.property(
      fc.nat(0xffff_ffff),
      fc.nat(0xffff_ffff),
      fc.integer({ min: 0, max: 32 }),
      (block, address, bits) => {
        const text = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 0xff).join(".");
        const expected = bits === 0 || (block >>> (32 - bits)) === (address >>> (32 - bits));
        assert.equal(new TrustedProxies([`${text(block)}/${bits}`]).trusts(text(address)), expected);
      },
    ),
  );
});

Deno.test("TrustedProxies.clientIp() believes X-Forwarded-For from trusted sockets only, from the right", () => {
  const proxies = new TrustedProxies(["10.0.0.0/8"]);
  const cases: [string, string[], string][] = [
    ["198.51.100.1", ["203.0.113.5"], "198.51.100.1"],
    ["10.0.0.1", [], "10.0.0.1"],
    ["10.0.0.1", ["203.0.113.5"], "203.0.113.5"],
    ["10.0.0.1", ["1.1.1.1, 203.0.113.5"], "203.0.113.5"],
    ["10.0.0.1", ["1.1.1.1", "203.0.113.5,10.0.0.9 ,  10.0.0.2"], "203.0.113.5"],
    ["10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"],
    ["10.0.0.1", ["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"],
    ["10.0.0.1", ["1.1.1.1,"], "10.0.0.1"],
    ["10.0.0.1", ["2001:db8::7"], "2001:db8::7"],
  ];
  for (const [socket, header, client] of cases) assert.equal(proxies.clientIp(socket, header), client);
});

Deno.test("TrustedProxies.clientIp() never returns text that is no address, whatever the header says", () => {
  const proxies = new TrustedProxies(["10.0.0.0/8"]);
  const evil = [
    "::1]/[",
    "::1]:80/x[",
    "x@[::1",
    "::1]#[",
    "::\t1",
    "::1%25eth0",
    "1.2.3.4:80",
    "[::1]",
    "::ffff:1.2.3.4.5",
  ];
  for (const text of evil) assert.equal(proxies.clientIp("10.0.0.1", [text]), "10.0.0.1", text);
  fc.assert(fc.property(fc.string(), (text) => {
    const client = proxies.clientIp("10.0.0.1", [text]);
    assert.match(client, /^[0-9a-f:.]+$/i);
  }));
});

Deno.test("withoutPort() takes the port off IPv4 and bracketed IPv6", () => {
  assert.equal(withoutPort("192.0.2.1:443"), "192.0.2.1");
  assert.equal(withoutPort("[2001:db8::1]:443"), "2001:db8::1");
  assert.equal(withoutPort("memory"), "memory");
});
