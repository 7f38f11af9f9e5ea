import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import { HEAD_LIMITS, parseResponseHead } from "../../src/http1/mod.ts";
import { octets, pairs, responseHead, violationFrom } from "./support.ts";

const REFUSED: [violation: string, text: string][] = [
  ["http_bad_status_line", "\r\nHTTP/1.1 200 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/2 200 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.2 200 OK\r\n\r\n"],
  ["http_bad_status_line", "http/1.1 200 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1  200 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1 020 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1 20\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1 +20 OK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1 200\tOK\r\n\r\n"],
  ["http_bad_status_line", "HTTP/1.1 200 O\0K\r\n\r\n"],
  ["http_bad_status_line", "SSH-2.0-OpenSSH_9.9\r\n"],
  ["http_bad_status_line", "\x15\x03\x01\x00\x02\x02\x16"],
  ["http_bare_line_ending", "HTTP/1.1 200 OK\n\n"],
  ["http_bare_line_ending", "HTTP/1.1 200 OK\rX: y\r\n\r\n"],
  ["http_bare_line_ending", "HTTP/1.1 200 OK\r\nX: y\n\r\n"],
  ["http_obs_fold", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n"],
  ["http_bad_header_name", "HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\n"],
  ["http_bad_header_value", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"],
  ["http_lookalike_header", "HTTP/1.1 200 OK\r\nContent_Length: 3\r\n\r\n"],
  ["http_conflicting_framing", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["http_conflicting_framing", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"],
  ["http_bad_content_length", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n"],
  ["http_bad_content_length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
  ["http_bad_transfer_encoding", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["http_bad_transfer_encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"],
  ["http_unsupported_transfer_encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
  ["http_bad_connection", "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\n"],
  ["http_bad_upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"],
  ["http_bad_upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n"],
  ["http_bad_upgrade", "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket, tcp\r\n\r\n"],
  ["http_head_too_large", `HTTP/1.1 200 ${"a".repeat(9000)}\r\n\r\n`],
  ["http_head_too_large", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(33_000)}`],
  ["http_too_many_headers", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(101)}\r\n`],
];

Deno.test("parseResponseHead() refuses ambiguity with http_bad_response and says the violation", () => {
  for (const [violation, text] of REFUSED) {
    const bytes = octets(text);
    assert.equal(
      violationFrom(() => parseResponseHead(bytes, 0, bytes.length)),
      violation,
      text.slice(0, 60),
    );
  }
});

Deno.test("parseResponseHead() blames the origin, with 502 for the viewer", () => {
  const bytes = octets("HTTP/1.1 200 OK\nX: y\n\n");
  assert.throws(() => parseResponseHead(bytes, 0, bytes.length), (error) => {
    assert.ok(error instanceof PosternError);
    assert.equal(error.facts.blame, "origin");
    assert.equal(error.facts.status, 502);
    assert.ok(error.cause instanceof PosternError);
    return true;
  });
});

Deno.test("parseResponseHead() reads line and fields, in whole and in every prefix", () => {
  const text = "HTTP/1.1 404 Not \xe4 Found\r\nContent-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";
  const bytes = octets(`${text}abc`);
  for (let end = 0; end < text.length; end++) {
    assert.equal(parseResponseHead(bytes, 0, end), null, `end ${end}`);
    assert.equal(parseResponseHead(bytes, 0, end, HEAD_LIMITS, Math.max(0, end - 1)), null);
  }
  const head = parseResponseHead(bytes, 0, bytes.length);
  assert.ok(head);
  assert.equal(head.bytes, text.length);
  assert.deepEqual([head.minor, head.status, head.reason], [1, 404, "Not \xe4 Found"]);
  assert.deepEqual([head.contentLength, head.chunked, head.upgrade], [3, false, null]);
  assert.deepEqual(pairs(head.headers).slice(1), [["Set-Cookie", "a"], ["Set-Cookie", "b"]]);
  assert.deepEqual(head.headers.getAll("set-cookie"), ["a", "b"]);
});

Deno.test("parseResponseHead() takes an empty and a missing reason", () => {
  assert.equal(responseHead("HTTP/1.1 200 \r\n\r\n").reason, "");
  assert.equal(responseHead("HTTP/1.0 200\r\n\r\n").reason, "");
  assert.equal(responseHead("HTTP/1.1 999 X\r\n\r\n").status, 999);
});

Deno.test("parseResponseHead() finds the protocol of 101", () => {
  const head = responseHead("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
  assert.equal(head.upgrade, "websocket");
});

Deno.test("parseResponseHead() lets a response advertise protocols without 101", () => {
  assert.equal(responseHead("HTTP/1.1 426 U\r\nUpgrade: websocket, h2c\r\n\r\n").upgrade, null);
});
