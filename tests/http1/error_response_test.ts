import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import { BodyReader, errorResponse, errorResponseOf, parseResponseHead } from "../../src/http1/mod.ts";
import { readBody } from "./support.ts";

const BASE = {
  status: 400,
  code: "http_bad_host",
  title: "Missing or malformed Host",
  requestId: "r-1",
} as const;
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

function read(bytes: Uint8Array, method = "GET") {
  const head = parseResponseHead(bytes, 0, bytes.length);
  assert.ok(head);
  const { body, end } = readBody(BodyReader.forResponse(head, method), bytes, head.bytes);
  assert.equal(end, bytes.length, "one complete response");
  return { head, body };
}

Deno.test("errorResponse() is a problem document for programs", () => {
  const { head, body } = read(errorResponse({ ...BASE, detail: 'a "b"' }));
  assert.equal(head.status, 400);
  assert.equal(head.reason, "Bad Request");
  assert.equal(head.headers.get("content-type"), "application/problem+json");
  assert.equal(head.headers.get("cache-control"), "no-store");
  assert.equal(head.headers.get("x-request-id"), "r-1");
  assert.equal(head.headers.get("connection"), null);
  assert.deepEqual(JSON.parse(body), {
    type: "urn:postern:error:http_bad_host",
    title: "Missing or malformed Host",
    status: 400,
    code: "http_bad_host",
    detail: 'a "b"',
    request_id: "r-1",
  });
});

Deno.test("errorResponse() is a page for people, with everything escaped", () => {
  const { head, body } = read(errorResponse({
    ...BASE,
    title: "<b>&\"'",
    detail: "<script>alert(1)</script>",
    accept: BROWSER,
    close: true,
    headers: [["Retry-After", "5"]],
  }));
  assert.equal(head.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(head.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.equal(head.headers.get("retry-after"), "5");
  assert.equal(head.headers.get("connection"), "close");
  assert.ok(body.includes("<h1>&lt;b&gt;&amp;&quot;&#39;</h1>"));
  assert.ok(body.includes("&lt;script&gt;"));
  assert.ok(!body.includes("<script>"));
  for (const part of ["http_bad_host", "r-1", "400", "prefers-color-scheme: dark"]) {
    assert.ok(body.includes(part));
  }
});

Deno.test("errorResponse() chooses by Accept", () => {
  const html = (accept: string | null) =>
    read(errorResponse({ ...BASE, accept })).head.headers.get("content-type")?.startsWith("text/html");
  assert.equal(html(null), false);
  assert.equal(html("*/*"), false);
  assert.equal(html("text/*"), false);
  assert.equal(html("TEXT/HTML"), true);
  assert.equal(html(BROWSER), true);
  assert.equal(html("application/json, text/html"), false);
  assert.equal(html("application/json;q=0.5, text/html;q=0.9"), true);
  assert.equal(html("text/html;q=0"), false);
  assert.equal(html("text/html;q=x"), false);
  assert.equal(html(",".repeat(5000)), false);
});

Deno.test("errorResponse() to HEAD says the length and leaves the body out", () => {
  const whole = errorResponse(BASE);
  const { head } = read(errorResponse({ ...BASE, head: true }), "HEAD");
  assert.equal(head.contentLength, whole.length - head.bytes);
});

Deno.test("errorResponse() counts the length in octets", () => {
  const bytes = errorResponse({ ...BASE, detail: "\u00e4\u20ac" });
  const head = parseResponseHead(bytes, 0, bytes.length);
  assert.equal(head?.contentLength, bytes.length - (head?.bytes ?? 0));
});

Deno.test("errorResponseOf() takes status and title of the catalogue, the message only when the viewer is to blame", () => {
  const viewer = read(errorResponseOf(new PosternError("http_bad_host", "Cannot read Host: it is repeated"), {
    requestId: "r-1",
  }));
  assert.equal(viewer.head.status, 400);
  assert.equal(JSON.parse(viewer.body).detail, "Cannot read Host: it is repeated");
  const origin = read(
    errorResponseOf(new PosternError("http_bad_response", "inner facts"), { requestId: "r-1" }),
  );
  assert.equal(origin.head.status, 502);
  assert.equal(JSON.parse(origin.body).detail, undefined);
});

Deno.test("errorResponseOf() says with 426 which upgrade is taken, and with nothing else", () => {
  const { head } = read(
    errorResponseOf(new PosternError("websocket_version_unsupported"), { requestId: "r-1", close: true }),
  );
  assert.equal(head.status, 426);
  assert.equal(head.headers.get("upgrade"), "websocket");
  assert.equal(head.headers.get("sec-websocket-version"), "13");
  assert.deepEqual(head.headers.getAll("connection"), ["Upgrade", "close"]);
  const other = read(errorResponseOf(new PosternError("http_bad_host"), { requestId: "r-1" }));
  assert.equal(other.head.headers.has("upgrade"), false);
});
