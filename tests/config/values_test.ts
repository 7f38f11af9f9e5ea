import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatAddress,
  formatDuration,
  formatSize,
  isLoopbackHost,
  parseAddress,
  parseDuration,
  parseSize,
} from "../../src/config/mod.ts";
import {
  addressBlocks,
  addressOrOff,
  count,
  duration,
  formatRate,
  hostName,
  label,
  path,
  portRangeOrOff,
  rateOf,
  rateOrOff,
  size,
  someOf,
  toggle,
  toggleOrAuto,
  url,
  urls,
} from "../../src/config/values.ts";

Deno.test("parseDuration() takes one or several amounts with units and nothing else", () => {
  const accepted = {
    "0": 0,
    "250ms": 250,
    "30s": 30_000,
    "5m": 300_000,
    "24h": 86_400_000,
    "1m30s": 90_000,
    "1.5s": 1500,
  };
  for (const [text, ms] of Object.entries(accepted)) assert.equal(parseDuration(text), ms, text);
  for (const text of ["", "30", "-1s", "1 s", "s", "1S", "1w", "0.0001ms", "99999999999999s"]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

Deno.test("formatDuration() and formatSize() are read back as the same number", () => {
  fc.assert(
    fc.property(fc.nat(), (n) => parseDuration(formatDuration(n)) === n && parseSize(formatSize(n)) === n),
  );
});

Deno.test("parseSize() knows binary and decimal units", () => {
  assert.equal(parseSize("64KiB"), 65_536);
  assert.equal(parseSize("1MB"), 1_000_000);
  assert.equal(parseSize("10"), 10);
  for (const text of ["", "1K", "-1", "1.5MiB", "64 KiB"]) assert.equal(parseSize(text), undefined, text);
});

Deno.test("parseAddress() takes names, IPv4, bracketed IPv6 and a bare port, and formatAddress() is its inverse", () => {
  assert.deepEqual(parseAddress("localhost:80"), { host: "localhost", port: 80 });
  assert.deepEqual(parseAddress("[::1]:8080"), { host: "::1", port: 8080 });
  assert.deepEqual(parseAddress(":8080"), { host: "0.0.0.0", port: 8080 });
  assert.equal(formatAddress({ host: "::1", port: 1 }), "[::1]:1");
  for (const text of ["", "8080", "a:b", "a:70000", "::1:80", "[zz]:1", "[::1]", "a b:1", "a/b:1"]) {
    assert.equal(parseAddress(text), undefined, text);
  }
});

Deno.test("isLoopbackHost() is true for this machine only", () => {
  for (const host of ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]) {
    assert.ok(isLoopbackHost(host));
  }
  for (const host of ["0.0.0.0", "::", "127.evil.com", "10.0.0.1"]) assert.ok(!isLoopbackHost(host), host);
});

Deno.test("notations refuse what lies outside their range and scalars of another kind", () => {
  const refused: [{ safeParse(raw: unknown): { success: boolean } }, unknown[]][] = [
    [count(1, 10), ["", "0", "11", "1.5", "1e1", true, null, [], "-1"]],
    [duration(1000, 5000), [30, "999ms", "6s", true]],
    [size(10, 20), ["9", "1KiB", {}]],
    [toggle(), ["yes", 1, ""]],
    [toggleOrAuto(), ["maybe", null]],
    [label(), ["Upper", "-a", "a_b", "a.b", "x".repeat(64)]],
    [hostName(), ["a..b", "-a.b", "a b"]],
    [path(), ["", "a\nb", "x".repeat(5000)]],
    [addressOrOff(), ["on", true]],
    [portRangeOrOff(), ["0-1", "5-4", "1-70000", "80"]],
    [url("http"), ["ftp://a", "http://u:p@a", "http://a?x", "http://a#x", "a"]],
    [urls(2, "http"), ["", ",", [], 5, "http://a,b", ["http://a", "ftp://b"], "http://a,http://b,http://c"]],
    [someOf("a", "b"), ["", "c", "a,c", "a,b,a", [], 5, "a b"]],
    [addressBlocks(2), ["10.0.0.0/33", "::1/129", "300.1.1.1", "x", "1.1.1.1,2.2.2.2,3.3.3.3", 5]],
  ];
  for (const [schema, values] of refused) {
    for (const value of values) assert.equal(schema.safeParse(value).success, false, JSON.stringify(value));
  }
});

Deno.test("notations accept the text of a flag and the scalar of a file alike", () => {
  assert.equal(count(1, 10).parse("7"), 7);
  assert.equal(count(1, 10).parse(7), 7);
  assert.equal(toggle().parse("true"), true);
  assert.equal(toggle().parse(true), true);
  assert.equal(toggleOrAuto().parse("auto"), null);
  assert.equal(addressOrOff().parse("off"), null);
  assert.equal(addressOrOff().parse(false), null);
  assert.deepEqual(portRangeOrOff().parse("1-2"), { first: 1, last: 2 });
  assert.deepEqual(someOf("a", "b").parse("b, a"), ["a", "b"]);
  assert.deepEqual(someOf("a", "b").parse(["b"]), ["b"]);
  assert.deepEqual(addressBlocks(4).parse("10.0.0.0/8, ::1"), ["10.0.0.0/8", "::1"]);
  assert.deepEqual(addressBlocks(4).parse(["10.0.0.0/8"]), ["10.0.0.0/8"]);
  assert.equal(url("http").parse("http://a:1/"), "http://a:1");
  assert.deepEqual(urls(3, "http").parse("http://a:1/, http://b,http://a:1"), ["http://a:1", "http://b"]);
  assert.deepEqual(urls(3, "http").parse(["http://a"]), ["http://a"]);
});

Deno.test("rateOf() wants a unit, and formatRate() writes what was read", () => {
  for (const text of ["1/s", "30/m", "500/h"]) assert.equal(formatRate(rateOf(10).parse(text)), text);
  assert.deepEqual(rateOf(10).parse("30/m"), { count: 30, everyMs: 60_000 });
  for (const text of ["5", 5, "0/s", "11/s", "1/d", "-1/s", "1.5/s", "/s", "off", null]) {
    assert.equal(rateOf(10).safeParse(text).success, false, String(text));
  }
  assert.equal(rateOf(10).safeParse("600/m").success, true);
  assert.equal(rateOrOff(10).parse("off"), null);
  assert.equal(rateOrOff(10).parse(false), null);
  assert.equal(rateOrOff(10).safeParse("11/s").success, false);
});
