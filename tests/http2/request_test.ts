import assert from "node:assert/strict";
import { HeaderBlock, HTTP2_LIMITS, requestHead } from "../../src/http2/mod.ts";
import { listedTrailers } from "../../src/http1/mod.ts";
import { trailerFields } from "../../src/http2/request.ts";
import { type Fields, GET, POST } from "./peer.ts";

function blockOf(fields: Fields): HeaderBlock {
  const block = new HeaderBlock(HTTP2_LIMITS);
  for (const [name, value] of fields) block.add(name, value);
  return block;
}

function head(fields: Fields, ended = true) {
  return requestHead(blockOf(fields), {
    ended,
    maxTargetBytes: 1_000,
    webSocketKey: () => "a2V5a2V5a2V5a2V5a2V5aw==",
  });
}

/** GET without some of its fields, and with others. */
function but(without: string, ...more: Fields): Fields {
  return [...GET.filter(([name]) => name !== without), ...more];
}

const REFUSED: readonly [name: string, fields: Fields, code: string][] = [
  ["no :method", but(":method"), "h2_bad_pseudo_header"],
  ["no :path", but(":path"), "h2_bad_pseudo_header"],
  ["no :scheme", but(":scheme"), "h2_bad_pseudo_header"],
  ["another scheme", but(":scheme", [":scheme", "ftp"]), "h2_bad_pseudo_header"],
  [":path twice", but("", [":path", "/b"]), "h2_bad_pseudo_header"],
  [":status", but("", [":status", "200"]), "h2_bad_pseudo_header"],
  ["a pseudo-header field behind others", [["x-a", "b"], ...GET], "h2_bad_pseudo_header"],
  [":protocol without CONNECT", but("", [":protocol", "websocket"]), "h2_bad_pseudo_header"],
  ["CONNECT", [[":method", "CONNECT"], [":authority", "shop.test:443"]], "http_connect_refused"],
  ["CONNECT for another protocol", [
    ...but(":method", [":method", "CONNECT"]),
    [":protocol", "connect-udp"],
  ], "http_connect_refused"],
  ["an empty :path", but(":path", [":path", ""]), "http_bad_target"],
  ["a :path without slash", but(":path", [":path", "a"]), "http_bad_target"],
  ["an absolute :path", but(":path", [":path", "http://a/"]), "http_bad_target"],
  ["a space in :path", but(":path", [":path", "/a b"]), "http_bad_target"],
  ["a line end in :path", but(":path", [":path", "/a HTTP/1.1\r\nx: y"]), "http_bad_target"],
  ["a :path that is too long", but(":path", [":path", "/" + "a".repeat(1_000)]), "http_uri_too_long"],
  ["* that is not OPTIONS", but(":path", [":path", "*"]), "http_bad_target"],
  ["a method with a space", but(":method", [":method", "GET /"]), "http_bad_method"],
  ["an upper-case name", but("", ["X-Upper", "a"]), "http_bad_header_name"],
  ["an empty name", but("", ["", "a"]), "http_bad_header_name"],
  ["a name with a colon", but("", ["a:b", "a"]), "http_bad_header_name"],
  ["a name with a line end", but("", ["a\r\nb", "a"]), "http_bad_header_name"],
  ["a value with a line end", but("", ["a", "b\r\nc: d"]), "http_bad_header_value"],
  ["a value with NUL", but("", ["a", "b\0"]), "http_bad_header_value"],
  ["a value with white space in front", but("", ["a", " b"]), "http_bad_header_value"],
  ["a lookalike", but("", ["content_length", "1"]), "http_lookalike_header"],
  ["connection", but("", ["connection", "close"]), "h2_connection_field"],
  ["keep-alive", but("", ["keep-alive", "1"]), "h2_connection_field"],
  ["proxy-connection", but("", ["proxy-connection", "close"]), "h2_connection_field"],
  ["transfer-encoding", but("", ["transfer-encoding", "chunked"]), "h2_connection_field"],
  ["upgrade", but("", ["upgrade", "h2c"]), "h2_connection_field"],
  ["te other than trailers", but("", ["te", "gzip"]), "h2_connection_field"],
  ["neither :authority nor host", but(":authority"), "http_bad_host"],
  ["user information", but(":authority", [":authority", "u@shop.test"]), "http_bad_host"],
  ["an :authority that host contradicts", but("", ["host", "other.test"]), "http_host_mismatch"],
  ["two hosts", but(":authority", ["host", "a.test"], ["host", "a.test"]), "http_bad_host"],
  [
    "content-length twice",
    but("", ["content-length", "1"], ["content-length", "1"]),
    "http_conflicting_framing",
  ],
  ["content-length that is no number", but("", ["content-length", "+1"]), "http_bad_content_length"],
  ["content-length without a body", but("", ["content-length", "1"]), "h2_body_length"],
  ["an unknown expectation", but("", ["expect", "much"]), "http_bad_expectation"],
];

for (const [name, fields, code] of REFUSED) {
  Deno.test(`requestHead() refuses ${name}: ${code}`, () => {
    assert.throws(() => head(fields), { code });
  });
}

Deno.test("requestHead() is the head that HTTP/1.1 would have had", () => {
  const { method, target, host, hostname, framing, upgrade, headers } = head(
    but(":authority", [":authority", "Shop.Test:8443"], ["cookie", "a=1"], ["x-b", ""], ["cookie", "b=2"]),
  );
  assert.deepEqual([method, target, host, hostname, framing, upgrade], [
    "GET",
    "/",
    "Shop.Test:8443",
    "shop.test",
    { kind: "none" },
    null,
  ]);
  assert.deepEqual([headers.get("cookie"), headers.get("host"), headers.get("x-b")], [
    "a=1; b=2",
    "Shop.Test:8443",
    "",
  ]);
  assert.deepEqual(head(POST, false).framing, { kind: "chunked" });
  assert.deepEqual(head([...POST, ["content-length", "5"]], false).framing, { kind: "length", length: 5 });
  assert.equal(head(but(":authority", ["host", "shop.test"])).hostname, "shop.test");
  assert.equal(head(but("", ["host", "shop.test:443"])).hostname, "shop.test");
  assert.equal(head(but(":path", [":path", "/"], ["te", "trailers"])).target, "/");
});

Deno.test("requestHead() makes a GET with Upgrade of an extended CONNECT for a WebSocket", () => {
  const { method, target, upgrade, headers } = head([
    [":method", "CONNECT"],
    [":protocol", "websocket"],
    ...GET.slice(1),
    ["sec-websocket-protocol", "chat"],
    ["sec-websocket-key", "the viewer's own"],
  ], false);
  assert.deepEqual([method, target, upgrade], ["GET", "/", "websocket"]);
  assert.deepEqual(headers.getAll("sec-websocket-key"), ["a2V5a2V5a2V5a2V5a2V5aw=="]);
  assert.deepEqual([headers.get("sec-websocket-version"), headers.get("sec-websocket-protocol")], [
    "13",
    "chat",
  ]);
});

Deno.test("requestHead() passes on what the limits have marked", () => {
  const block = new HeaderBlock({ maxHeaderListBytes: 100, maxHeaders: 100 });
  block.add("x-long", "v".repeat(100));
  const options = { ended: true, maxTargetBytes: 100, webSocketKey: () => "" };
  assert.throws(() => requestHead(block, options), { code: "http_head_too_large" });
});

Deno.test("trailerFields() takes no pseudo-header field, listedTrailers() drops what must not come late", () => {
  assert.throws(() => trailerFields(blockOf([[":path", "/"]])), { code: "h2_bad_pseudo_header" });
  const fields = trailerFields(blockOf([["x-sum", "9"], ["authorization", "a"]]));
  assert.deepEqual([...listedTrailers(fields)], [["x-sum", "9"]]);
  const many = trailerFields(blockOf(Array.from({ length: 33 }, (_, at) => [`x-${at}`, "v"] as const)));
  assert.throws(() => listedTrailers(many), { code: "http_trailers_too_large" });
});
