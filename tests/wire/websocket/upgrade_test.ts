import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8, utf8Decode } from "../../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import {
  acceptWebSocket,
  CARRIER_PROTOCOL,
  DEFAULT_CARRIER_PATH,
  upgradeKey,
  upgradeRequest,
  UpgradeResponse,
} from "../../../src/wire/websocket/mod.ts";

/** Key and accept of RFC 6455 1.3. */
const key = "dGhlIHNhbXBsZSBub25jZQ==";
const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const wallMs = Date.UTC(2026, 0, 1);

const granted = [
  "HTTP/1.1 101 Switching Protocols",
  "upgrade: WebSocket",
  "CONNECTION: keep-alive, Upgrade",
  `Sec-WebSocket-Accept: ${accept}`,
  "Sec-WebSocket-Protocol: postern.v1",
];
const head = (lines: readonly string[]) => utf8(lines.join("\r\n") + "\r\n\r\n");
const read = (bytes: Uint8Array) => new UpgradeResponse(key, wallMs).push(bytes);

function refusedWith(code: ErrorCode, detail: Record<string, unknown> = {}) {
  return (error: unknown) => {
    assert.ok(error instanceof PosternError, String(error));
    assert.equal(error.code, code);
    for (const [name, value] of Object.entries(detail)) assert.equal(error.detail[name], value, name);
    return true;
  };
}

function problem(status: string, body: string, ...headers: string[]): Uint8Array {
  return concat(head([`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${utf8(body).length}`]), utf8(body));
}

Deno.test("upgradeKey() is base64 of 16 random bytes", () => {
  assert.equal(upgradeKey((bytes) => new Uint8Array(bytes).fill(255)), "/////////////////////w==");
});

Deno.test("upgradeRequest() writes the request, and no room for credentials", () => {
  assert.equal(
    utf8Decode(upgradeRequest("edge.example:8443", DEFAULT_CARRIER_PATH, key)),
    "GET /_postern/channel HTTP/1.1\r\nHost: edge.example:8443\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: postern.v1\r\n\r\n`,
  );
  for (
    const [host, path] of [["a b", "/"], ["a", "x"], ["a", "/ "], ["a", "/\r\nX: y"], ["a", "/?t=1"], [
      "",
      "/",
    ]]
  ) {
    assert.throws(() => upgradeRequest(host, path, key), refusedWith("websocket_url_invalid"));
  }
});

Deno.test("UpgradeResponse.push() grants at every split position and hands back the first frames", () => {
  const wire = concat(head(granted), Uint8Array.of(0x82, 0));
  for (let at = 0; at <= wire.length; at++) {
    const response = new UpgradeResponse(key, wallMs);
    const first = response.push(wire.subarray(0, at));
    const rest = first ? concat(first, wire.subarray(at)) : response.push(wire.subarray(at));
    assert.deepEqual(rest, Uint8Array.of(0x82, 0), `split at ${at}`);
  }
});

Deno.test("UpgradeResponse.push() refuses an answer that is not a valid 101", () => {
  const changed = (line: number, ...by: string[]) => head(granted.toSpliced(line, 1, ...by));
  const wrong: Uint8Array[] = [
    changed(0, "HTTP/1.0 101 Switching Protocols"),
    changed(0, "HTTP/1.1 100 Continue"),
    changed(0, "HTTP/2 101 Switching Protocols"),
    changed(0, "SSH-2.0-OpenSSH"),
    changed(0, "HTTP/1.1 101 Switching\nProtocols"),
    changed(1),
    changed(1, "Upgrade: h2c"),
    changed(1, "Upgrade: websocket, h2c"),
    changed(2, "Connection: close"),
    changed(3),
    changed(3, "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    changed(3, granted[3], granted[3]),
    changed(4),
    changed(4, "Sec-WebSocket-Protocol: postern.v2"),
    changed(4, granted[4], "Sec-WebSocket-Extensions: permessage-deflate"),
    changed(4, granted[4], " folded"),
    changed(4, granted[4], "no colon"),
    changed(4, granted[4], "space : before"),
    changed(4, granted[4], "nul: \0"),
  ];
  for (const bytes of wrong) {
    assert.throws(() => read(bytes), refusedWith("websocket_response_invalid"), utf8Decode(bytes));
  }
});

Deno.test("UpgradeResponse.push() refuses a head over 8 KiB without waiting for its end", () => {
  const response = new UpgradeResponse(key, wallMs);
  assert.equal(response.push(utf8("HTTP/1.1 101 x\r\nA: ")), null);
  assert.throws(() => response.push(new Uint8Array(8192).fill(97)), refusedWith("websocket_head_too_large"));
});

Deno.test("UpgradeResponse.end() says that the answer is missing", () => {
  const response = new UpgradeResponse(key, wallMs);
  response.push(utf8("HTTP/1.1 101"));
  assert.equal(response.isRefused, false);
  assert.throws(() => response.end(), refusedWith("websocket_response_invalid"));
});

Deno.test("UpgradeResponse.push() surfaces status, code and Retry-After of a refusal", () => {
  const body = '{"code":"token_expired","title":"Token expired\\u001b"}';
  const detail = { status: 401, peer_code: "token_expired", peer_title: "Token expired?" };
  const wire = problem("401 Unauthorized", body);
  assert.throws(() => read(wire), refusedWith("websocket_refused", detail));
  for (let at = 0; at < wire.length; at++) {
    const response = new UpgradeResponse(key, wallMs);
    assert.equal(response.push(wire.subarray(0, at)), null);
    assert.throws(() => response.push(wire.subarray(at)), refusedWith("websocket_refused", detail));
  }
  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    assert.throws(() => read(problem(`${status} x`, "{}")), refusedWith("websocket_unavailable", { status }));
  }
  for (const status of [200, 400, 403, 404, 426]) {
    assert.throws(() => read(problem(`${status} x`, "{}")), refusedWith("websocket_refused", { status }));
  }
});

Deno.test("UpgradeResponse.push() turns Retry-After into milliseconds, bounded, and ignores nonsense", () => {
  const cases: [string, number | undefined][] = [
    ["7", 7000],
    ["0", 0],
    ["999999999", 86_400_000],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
    ["-5", undefined],
  ];
  for (const [value, expected] of cases) {
    assert.throws(
      () => read(problem("503 x", "", `Retry-After: ${value}`)),
      refusedWith("websocket_unavailable", { retry_after_ms: expected }),
    );
  }
});

Deno.test("UpgradeResponse.push() does not follow redirects", () => {
  assert.throws(
    () => read(problem("302 Found", "", "Location: wss://elsewhere.example/")),
    refusedWith("websocket_redirected", { status: 302 }),
  );
});

Deno.test("UpgradeResponse reads chunked bodies, and bodies without length until the end", () => {
  const body = '{"code":"capacity_exhausted"}';
  const chunked = utf8(`5\r\n${body.slice(0, 5)}\r\n18;x=y\r\n${body.slice(5)}\r\n0\r\n\r\n`);
  const whole = concat(head(["HTTP/1.1 503 x", "Transfer-Encoding: chunked"]), chunked);
  assert.throws(
    () => read(whole),
    refusedWith("websocket_unavailable", { peer_code: "capacity_exhausted" }),
  );
  const response = new UpgradeResponse(key, wallMs);
  assert.equal(response.push(concat(head(["HTTP/1.1 403 x"]), utf8(body))), null);
  assert.equal(response.isRefused, true);
  assert.throws(
    () => response.end(),
    refusedWith("websocket_refused", { peer_code: "capacity_exhausted" }),
  );
});

Deno.test("UpgradeResponse reads no more than 4 KiB of a refusal and no code that is not one", () => {
  const long = `{"code":"x","pad":"${"a".repeat(5000)}"}`;
  assert.throws(
    () => read(problem("403 x", long)),
    refusedWith("websocket_refused", { peer_code: undefined }),
  );
  for (const body of ['{"code":"<script>"}', '{"code":7}', "null", "[]", "\xff", '"code"']) {
    assert.throws(
      () => read(problem("403 x", body)),
      refusedWith("websocket_refused", { peer_code: undefined }),
    );
  }
});

Deno.test("UpgradeResponse on any bytes throws PosternError only", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.constantFrom(
      "HTTP/1.1 ",
      "101 ok\r\n",
      "403 no\r\n",
      "\r\n",
      "\r\n\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Content-Length: 5\r\n",
      "fffffff\r\n",
      "0\r\n\r\n",
    ).map(utf8),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const response = new UpgradeResponse(key, wallMs);
      try {
        for (const bytes of pieces) response.push(bytes);
        response.end();
      } catch (error) {
        assert.ok(error instanceof PosternError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

const request: Record<string, string> = {
  "host": "edge.example",
  "upgrade": "websocket",
  "connection": "keep-alive, Upgrade",
  "sec-websocket-key": key,
  "sec-websocket-version": "13",
  "sec-websocket-protocol": "other, postern.v1",
  "sec-websocket-extensions": "permessage-deflate",
};

function judge(change: Record<string, string | undefined>, method = "GET", httpVersion = "1.1") {
  const headers: Record<string, string | undefined> = { ...request, ...change };
  return acceptWebSocket({ method, httpVersion, header: (name) => headers[name] });
}

Deno.test("acceptWebSocket() answers as RFC 6455 1.3 shows, without extensions", () => {
  const response = judge({});
  assert.equal(
    utf8Decode(response),
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${CARRIER_PROTOCOL}\r\n\r\n`,
  );
  assert.deepEqual(read(response), new Uint8Array(0));
});

Deno.test("acceptWebSocket() refuses with a code and a status", () => {
  const refused = (code: ErrorCode, status: number, run: () => void) => {
    assert.throws(run, (error) => {
      assert.ok(error instanceof PosternError);
      assert.equal(error.code, code);
      assert.equal(error.facts.status, status);
      return true;
    });
  };
  refused("websocket_upgrade_required", 426, () => judge({ upgrade: undefined }));
  refused("websocket_upgrade_required", 426, () => judge({ upgrade: "h2c" }));
  refused("websocket_version_unsupported", 426, () => judge({ "sec-websocket-version": "8" }));
  refused("websocket_version_unsupported", 426, () => judge({ "sec-websocket-version": undefined }));
  refused("websocket_protocol_missing", 400, () => judge({ "sec-websocket-protocol": undefined }));
  refused("websocket_protocol_missing", 400, () => judge({ "sec-websocket-protocol": "xpostern.v1" }));
  refused("websocket_upgrade_invalid", 400, () => judge({}, "POST"));
  refused("websocket_upgrade_invalid", 400, () => judge({}, "GET", "1.0"));
  const invalid: Record<string, string | undefined>[] = [
    { connection: "close" },
    { host: undefined },
    { "content-length": "5" },
    { "content-length": "00" },
    { "transfer-encoding": "chunked" },
    { "sec-websocket-key": undefined },
    { "sec-websocket-key": "short" },
    { "sec-websocket-key": `${key}, ${key}` },
    { "sec-websocket-key": key.replace("Q==", "R==") },
    { "sec-websocket-key": key + "\r\nX: y" },
  ];
  for (const change of invalid) refused("websocket_upgrade_invalid", 400, () => judge(change));
  assert.ok(judge({ "content-length": "0" }).length > 0);
});
