import assert from "node:assert/strict";
import fc from "fast-check";
import { HEAD_LIMITS, parseRequestHead } from "../../src/http1/mod.ts";
import { REFUSALS } from "./refusals.ts";
import { codeFrom, octets, pairs, requestHead } from "./support.ts";

for (const { name, text, code } of REFUSALS) {
  Deno.test(`parseRequestHead() refuses ${name} with ${code}`, () => {
    const bytes = octets(text);
    assert.equal(codeFrom(() => parseRequestHead(bytes, 0, bytes.length)), code);
  });
}

Deno.test("parseRequestHead() refuses a malformed head the same in pieces of every size", () => {
  for (const { name, text, code } of REFUSALS) {
    const bytes = octets(text);
    // Long ones would take long: there the interesting octets are at the end.
    const from = Math.max(0, bytes.length - 300);
    let found: string | null = null;
    for (let end = from; end <= bytes.length && found === null; end++) {
      found = codeFrom(() => assert.equal(parseRequestHead(bytes.slice(0, end), 0, end), null));
    }
    assert.equal(found, code, name);
  }
});

const GET =
  "GET /a/b?c=d HTTP/1.1\r\nHost: A.example:8080\r\nAccept: */*\r\nX-Empty:\r\nX-Tab: \t a\tb \t\r\n\r\n";

Deno.test("parseRequestHead() reads line, fields and host, and leaves what follows", () => {
  const bytes = octets(`xx${GET}BODY`);
  const head = parseRequestHead(bytes, 2, bytes.length);
  assert.ok(head);
  assert.equal(head.bytes, GET.length);
  assert.equal(head.method, "GET");
  assert.equal(head.target, "/a/b?c=d");
  assert.equal(head.minor, 1);
  assert.equal(head.host, "A.example:8080");
  assert.equal(head.hostname, "a.example");
  assert.equal(head.port, 8080);
  assert.deepEqual(head.framing, { kind: "none" });
  assert.equal(head.upgrade, null);
  assert.equal(head.expectContinue, false);
  assert.deepEqual(pairs(head.headers), [
    ["Host", "A.example:8080"],
    ["Accept", "*/*"],
    ["X-Empty", ""],
    ["X-Tab", "a\tb"],
  ]);
});

Deno.test("parseRequestHead() gives null for every proper prefix and never reads behind its end", () => {
  const bytes = octets(GET);
  for (let end = 0; end < bytes.length; end++) {
    assert.equal(parseRequestHead(bytes, 0, end), null, `end ${end}`);
    assert.equal(
      parseRequestHead(bytes, 0, end, HEAD_LIMITS, Math.max(0, end - 1)),
      null,
      `seen, end ${end}`,
    );
  }
  assert.ok(parseRequestHead(bytes, 0, bytes.length, HEAD_LIMITS, bytes.length - 1));
});

Deno.test("parseRequestHead() keeps obs-text as code units 128-255", () => {
  const value = String.fromCharCode(...Array.from({ length: 128 }, (_, at) => 128 + at));
  assert.equal(requestHead(`GET / HTTP/1.1\r\nHost: a\r\nX: ${value}\r\n\r\n`).headers.get("x"), value);
});

Deno.test("parseRequestHead() turns absolute-form into origin-form", () => {
  const cases = [
    ["GET", "http://a.example/b?c", "/b?c"],
    ["GET", "HTTP://A.Example:80/", "/"],
    ["GET", "https://a.example:443?c", "/?c"],
    ["GET", "http://a.example", "/"],
    ["OPTIONS", "http://a.example", "*"],
    ["OPTIONS", "*", "*"],
    ["GET", "//b.example/c", "//b.example/c"],
  ];
  for (const [method, target, expected] of cases) {
    const head = requestHead(`${method} ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    assert.equal(head.target, expected, target);
    assert.equal(head.hostname, "a.example");
  }
});

Deno.test("parseRequestHead() takes HTTP/1.0 without Host, or with that of the target", () => {
  const plain = requestHead("GET / HTTP/1.0\r\n\r\n");
  assert.equal(plain.hostname, "");
  assert.equal(plain.minor, 0);
  const absolute = requestHead("GET http://A.example:81/b HTTP/1.0\r\n\r\n");
  assert.equal(absolute.hostname, "a.example");
  assert.equal(absolute.port, 81);
  assert.deepEqual(pairs(absolute.headers), [["Host", "A.example:81"]]);
});

Deno.test("parseRequestHead() takes hosts of every kind", () => {
  const cases: [string, string, number | null][] = [
    ["a", "a", null],
    ["A_b-c.example.", "a_b-c.example", null],
    ["127.0.0.1:65535", "127.0.0.1", 65535],
    ["[::1]", "[::1]", null],
    ["[2001:DB8::1]:443", "[2001:db8::1]", 443],
    ["[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]", 1],
  ];
  for (const [text, hostname, port] of cases) {
    const head = requestHead(`GET / HTTP/1.1\r\nHost: ${text}\r\n\r\n`);
    assert.deepEqual([head.hostname, head.port], [hostname, port]);
  }
});

Deno.test("parseRequestHead() finds the framing", () => {
  const framing = (lines: string) => requestHead(`POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`).framing;
  assert.deepEqual(framing("Content-Length: 0"), { kind: "length", length: 0 });
  assert.deepEqual(framing("Content-Length:9007199254740991 "), { kind: "length", length: 9007199254740991 });
  assert.deepEqual(framing("Transfer-Encoding: Chunked"), { kind: "chunked" });
});

Deno.test("parseRequestHead() finds the upgrade, and ignores those that must not pass", () => {
  const upgrade = (first: string, lines: string) =>
    requestHead(`${first}\r\nHost: a\r\n${lines}\r\n\r\n`).upgrade;
  const get = "GET / HTTP/1.1";
  assert.equal(upgrade(get, "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket"), "websocket");
  assert.equal(upgrade("POST / HTTP/1.1", "Connection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 0"), "tcp");
  assert.equal(upgrade(get, "Connection: upgrade"), null);
  assert.equal(upgrade("POST / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket"), null);
  assert.equal(upgrade("GET / HTTP/1.0", "Connection: upgrade\r\nUpgrade: websocket"), null);
  assert.equal(upgrade(get, "Connection: upgrade\r\nUpgrade: websocket, h2c"), null);
  assert.equal(upgrade(get, "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1"), null);
  for (const protocol of ["h2c", "H2C", "h2", "HTTP/2.0", "TLS/1.0"]) {
    assert.equal(upgrade(get, `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}`), null, protocol);
  }
});

Deno.test("parseRequestHead() finds the expectation, not in HTTP/1.0", () => {
  const expects = (minor: number) =>
    requestHead(`PUT / HTTP/1.${minor}\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n`).expectContinue;
  assert.equal(expects(1), true);
  assert.equal(expects(0), false);
});

Deno.test("parseRequestHead() counts its limits exactly", () => {
  const parse = (text: string, limits: Partial<typeof HEAD_LIMITS>) => {
    const bytes = octets(text);
    return parseRequestHead(bytes, 0, bytes.length, { ...HEAD_LIMITS, ...limits });
  };
  const line = "GET /abc HTTP/1.1";
  const text = `${line}\r\nHost: a\r\nX: y\r\n\r\n`;
  assert.ok(parse(text, { maxTargetBytes: "/abc".length }));
  assert.equal(codeFrom(() => parse(text, { maxTargetBytes: "/abc".length - 1 })), "http_uri_too_long");
  assert.ok(parse(text, { maxHeadBytes: text.length }));
  assert.equal(codeFrom(() => parse(text, { maxHeadBytes: text.length - 1 })), "http_head_too_large");
  assert.ok(parse(`${text}more`, { maxHeadBytes: text.length }));
  assert.ok(parse(text, { maxHeaders: 2 }));
  assert.equal(codeFrom(() => parse(text, { maxHeaders: 1 })), "http_too_many_headers");
});

Deno.test("parseRequestHead() takes more headers than the default when allowed to", () => {
  const lines = Array.from({ length: 500 }, (_, at) => `X-${at}: ${at}\r\n`).join("");
  const bytes = octets(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
  const head = parseRequestHead(bytes, 0, bytes.length, { ...HEAD_LIMITS, maxHeaders: 501 });
  assert.equal(head?.headers.length, 501);
  assert.equal(head?.headers.get("x-499"), "499");
});

Deno.test("parseRequestHead() throws nothing but PosternError on arbitrary octets", () => {
  const soup = fc.array(
    fc.oneof(
      fc.constantFrom(
        "GET ",
        "/",
        " HTTP/1.1\r\n",
        "Host: a\r\n",
        "\r\n",
        "\r",
        "\n",
        ":",
        " ",
        "Content-Length: ",
        "1",
      ),
      fc.uint8Array({ maxLength: 4 }).map((bytes) => String.fromCharCode(...bytes)),
    ),
    { maxLength: 24 },
  );
  fc.assert(
    fc.property(soup, (parts) => {
      const bytes = octets(parts.join(""));
      codeFrom(() => parseRequestHead(bytes, 0, bytes.length));
    }),
    { numRuns: 2000 },
  );
});
