import assert from "node:assert/strict";
import fc from "fast-check";
import {
  HeaderList,
  type Minor,
  parseRequestHead,
  parseResponseHead,
  serializeRequestHead,
  serializeResponseHead,
} from "../../src/http1/mod.ts";
import { codeFrom, pairs, textOf } from "./support.ts";

const CRITICAL = /^(host|connection|content-length|transfer-encoding|upgrade|expect)$/i;
const name = fc.stringMatching(/^[A-Za-z0-9-]{1,20}$/).filter((text) => !CRITICAL.test(text));
const value = fc.array(
  fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(9)),
  {
    maxLength: 30,
  },
).map((units) => String.fromCharCode(...units).replace(/^[ \t]+|[ \t]+$/g, ""));
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 });
const minor = fc.constantFrom<Minor>(0, 1);

Deno.test("serializeRequestHead() is undone by parseRequestHead()", () => {
  const method = fc.stringMatching(/^[A-Z][A-Z-]{0,15}$/).filter((text) =>
    text !== "CONNECT" && text !== "PRI"
  );
  const target = fc.stringMatching(/^\/[!-"$-~]{0,40}$/);
  fc.assert(
    fc.property(method, target, minor, fields, (method, target, minor, list) => {
      const headers = HeaderList.from([...list, ["Host", "a.example:81"]]);
      const bytes = serializeRequestHead({ method, target, minor, headers });
      const head = parseRequestHead(bytes, 0, bytes.length);
      assert.ok(head);
      assert.equal(head.bytes, bytes.length);
      assert.deepEqual([head.method, head.target, head.minor], [method, target, minor]);
      assert.deepEqual(pairs(head.headers), pairs(headers));
      assert.deepEqual(serializeRequestHead(head), bytes);
    }),
    { numRuns: 500 },
  );
});

Deno.test("serializeResponseHead() is undone by parseResponseHead()", () => {
  const status = fc.integer({ min: 100, max: 999 }).filter((status) => status !== 101);
  fc.assert(
    fc.property(status, value, minor, fields, (status, reason, minor, list) => {
      const headers = HeaderList.from(list);
      const bytes = serializeResponseHead({ status, reason, minor, headers });
      const head = parseResponseHead(bytes, 0, bytes.length);
      assert.ok(head);
      assert.deepEqual([head.status, head.reason, head.minor, head.bytes], [
        status,
        reason,
        minor,
        bytes.length,
      ]);
      assert.deepEqual(pairs(head.headers), list);
    }),
    { numRuns: 500 },
  );
});

Deno.test("serializeRequestHead() refuses whatever would break out of its place", () => {
  const good = { method: "GET", target: "/", minor: 1 as const };
  const write = (change: object, name = "X", value = "y") =>
    codeFrom(() => serializeRequestHead({ ...good, headers: HeaderList.from([[name, value]]), ...change }));
  assert.equal(write({}), null);
  for (const text of ["\r", "\n", "\0", "a\r\nX: y", "\x7f", "\u010a", "\u010d", "\ud800"]) {
    assert.equal(write({ method: `G${text}` }), "http_header_injection");
    assert.equal(write({ target: `/${text}` }), "http_header_injection");
    assert.equal(write({}, `X${text}`), "http_header_injection");
    assert.equal(write({}, "X", text), "http_header_injection");
  }
  assert.equal(write({ method: "" }), "http_header_injection");
  assert.equal(write({ target: "" }), "http_header_injection");
  assert.equal(write({ target: "/a b" }), "http_header_injection");
  assert.equal(write({ target: "/\xe4" }), "http_header_injection");
  assert.equal(write({}, ""), "http_header_injection");
  assert.equal(write({}, "X:"), "http_header_injection");
});

Deno.test("serializeResponseHead() refuses whatever would break out of its place", () => {
  const write = (status: number, reason: string, value = "y") => () =>
    serializeResponseHead({ minor: 1, status, reason, headers: HeaderList.from([["X", value]]) });
  assert.equal(textOf(write(200, "")()), "HTTP/1.1 200 \r\nX: y\r\n\r\n");
  for (const status of [99, 1000, 200.5, NaN]) {
    assert.equal(codeFrom(write(status, "")), "http_header_injection");
  }
  assert.equal(codeFrom(write(200, "a\r\nb")), "http_header_injection");
  assert.equal(codeFrom(write(200, "\u20ac")), "http_header_injection");
  assert.equal(codeFrom(write(200, "", "a\nb")), "http_header_injection");
});
