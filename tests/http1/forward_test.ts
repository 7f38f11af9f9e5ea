import assert from "node:assert/strict";
import {
  CONTINUE,
  forwardedRequest,
  type Minor,
  responseToViewer,
  serializeRequestHead,
  serializeResponseHead,
  viewerFraming,
} from "../../src/http1/mod.ts";
import { pairs, requestHead, responseHead, textOf } from "./support.ts";

const FACTS = {
  clientIp: "192.0.2.7",
  scheme: "https",
  proxied: false,
  host: "a.example",
  requestId: "r-1",
} as const;
const OURS: [string, string][] = [
  ["X-Forwarded-For", "192.0.2.7"],
  ["X-Forwarded-Proto", "https"],
  ["X-Forwarded-Host", "a.example"],
  ["X-Postern-Client-IP", "192.0.2.7"],
];

function forwarded(lines: string, first = "GET / HTTP/1.1") {
  const head = requestHead(`${first}\r\nHost: a.example\r\n${lines}\r\n`);
  const before = pairs(head.headers);
  const out = forwardedRequest(head, FACTS);
  assert.deepEqual(pairs(head.headers), before, "the given head stays as it is");
  return pairs(out.headers);
}

Deno.test("forwardedRequest() removes the fields of one connection and those that Connection nominates", () => {
  const names = forwarded([
    "Connection: close, X-Secret, upgrade",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic x",
    "Proxy-Authenticate: Basic",
    "TE: gzip",
    "Trailer: X-Sum",
    "Upgrade: h2c",
    "x-secret: 1",
    "connection: x-other",
    "X-Other: 2",
    "X-Kept: 3",
    "",
  ].join("\r\n")).map(([name]) => name).filter((name) => !/^x-(forwarded|postern|request)-/i.test(name));
  assert.deepEqual(names, ["Host", "Trailer", "X-Kept"]);
});

Deno.test("forwardedRequest() replaces every claim about the viewer", () => {
  const spoofed = [
    "X-Forwarded-For: 10.0.0.1",
    "x-forwarded-proto: http",
    "X-Forwarded-Host: evil",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Server: s",
    "X_Forwarded_For: 10.0.0.2",
    "X-Forwarded_For: 10.0.0.3",
    "X.Real.IP: 10.0.0.4",
    "X-Real-IP: 10.0.0.5",
    "Forwarded: for=10.0.0.6",
    "X-Postern-Client-IP: 10.0.0.7",
    "X-Postern-Anything: 1",
    "x_postern_anything: 2",
    "Proxy: http://evil",
    "X-Original-URL: /admin",
    "Connection: X-Forwarded-For, X-Postern-Client-IP, X-Request-Id",
  ];
  assert.deepEqual(forwarded(`${spoofed.join("\r\n")}\r\nAccept: */*\r\n`), [
    ["Host", "a.example"],
    ["Accept", "*/*"],
    ...OURS,
    ["X-Request-Id", "r-1"],
  ]);
});

Deno.test("forwardedRequest() keeps one acceptable X-Request-Id and no other", () => {
  const id = (lines: string) => forwarded(lines).find(([name]) => name === "X-Request-Id")?.[1];
  assert.equal(id("x-request-id: A.b_c-9\r\n"), "A.b_c-9");
  assert.equal(id(`x-request-id: ${"a".repeat(128)}\r\n`), "a".repeat(128));
  assert.equal(id(`x-request-id: ${"a".repeat(129)}\r\n`), "r-1");
  assert.equal(id("x-request-id: a b\r\n"), "r-1");
  assert.equal(id("x-request-id:\r\n"), "r-1");
  assert.equal(id("x-request-id: a\r\nX-Request-Id: b\r\n"), "r-1");
});

Deno.test("forwardedRequest() frames the body as the request did", () => {
  const framing = (lines: string) =>
    forwarded(lines, "POST / HTTP/1.1").filter(([name]) =>
      /^(content-length|transfer-encoding)$/i.test(name)
    );
  assert.deepEqual(framing("content-length: 5\r\n"), [["Content-Length", "5"]]);
  assert.deepEqual(framing("Content-Length: 0\r\n"), [["Content-Length", "0"]]);
  assert.deepEqual(framing("transfer-encoding: Chunked\r\n"), [["Transfer-Encoding", "chunked"]]);
  assert.deepEqual(framing(""), []);
});

Deno.test("forwardedRequest() keeps a WebSocket upgrade, drops others that may not pass", () => {
  const control = (lines: string) =>
    forwarded(lines).filter(([name]) => /^(connection|upgrade|http2-.*)$/i.test(name));
  assert.deepEqual(
    control("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: a\r\n"),
    [
      ["Connection", "Upgrade"],
      ["Upgrade", "websocket"],
    ],
  );
  assert.deepEqual(
    control("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"),
    [],
  );
});

Deno.test("forwardedRequest() keeps TE: trailers only", () => {
  const te = (lines: string) => forwarded(lines).filter(([name]) => /^(te|connection)$/i.test(name));
  assert.deepEqual(te("TE: gzip, Trailers\r\nConnection: TE\r\n"), [["Connection", "TE"], [
    "TE",
    "trailers",
  ]]);
  assert.deepEqual(te("TE: gzip\r\nConnection: TE\r\n"), []);
});

Deno.test("forwardedRequest() goes on as HTTP/1.1 and can be parsed again", () => {
  const head = requestHead(
    "POST http://a.example/b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n",
  );
  const text = textOf(serializeRequestHead(forwardedRequest(head, FACTS)));
  assert.ok(text.startsWith("POST /b HTTP/1.1\r\n"));
  const again = requestHead(text);
  assert.equal(again.hostname, "a.example");
  assert.deepEqual(again.framing, { kind: "length", length: 3 });
});

interface Viewer {
  method?: string;
  minor?: Minor;
  keepAlive?: boolean;
}

function toViewer(text: string, { method = "GET", minor = 1, keepAlive = true }: Viewer = {}) {
  const head = responseHead(text);
  const framing = viewerFraming(head, { method, minor });
  return pairs(responseToViewer(head, { framing, minor, keepAlive }).headers);
}

Deno.test("responseToViewer() sets framing and connection anew", () => {
  const length =
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\nConnection: close\r\nA: b\r\n\r\n";
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  const untilClose = "HTTP/1.0 200 OK\r\n\r\n";
  assert.deepEqual(toViewer(length), [["Content-Length", "3"], ["A", "b"]]);
  assert.deepEqual(toViewer(length, { keepAlive: false }).at(-1), ["Connection", "close"]);
  assert.deepEqual(toViewer(length, { minor: 0 }).at(-1), ["Connection", "keep-alive"]);
  assert.deepEqual(toViewer(chunked), [["Transfer-Encoding", "chunked"]]);
  assert.deepEqual(toViewer(untilClose), [["Transfer-Encoding", "chunked"]]);
  assert.deepEqual(toViewer(chunked, { minor: 0 }), [["Connection", "close"]]);
  assert.deepEqual(toViewer(untilClose, { minor: 0 }), [["Connection", "close"]]);
});

Deno.test("responseToViewer() keeps the length that HEAD and 304 describe, and none that cannot be", () => {
  const text = (status: number) => `HTTP/1.1 ${status} X\r\nContent-Length: 3\r\n\r\n`;
  assert.deepEqual(toViewer(text(200), { method: "HEAD" }), [["Content-Length", "3"]]);
  assert.deepEqual(toViewer(text(304)), [["Content-Length", "3"]]);
  assert.deepEqual(toViewer(text(204)), []);
  assert.deepEqual(toViewer("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", { method: "HEAD" }), []);
});

Deno.test("responseToViewer() passes interim responses without framing and connection", () => {
  const text = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
  assert.deepEqual(toViewer(text, { keepAlive: false }), [["Link", "</a>"]]);
  assert.equal(textOf(serializeResponseHead(CONTINUE)), "HTTP/1.1 100 Continue\r\n\r\n");
});

Deno.test("responseToViewer() passes 101 with Connection and Upgrade", () => {
  const text =
    "HTTP/1.1 101 S\r\nupgrade: WebSocket\r\nconnection: upgrade\r\nContent-Length: 0\r\nA: b\r\n\r\n";
  assert.deepEqual(toViewer(text), [["A", "b"], ["Connection", "Upgrade"], ["Upgrade", "websocket"]]);
});

Deno.test("forwardedRequest() passes on what a trusted proxy says about the viewer, and takes it from anybody else", () => {
  const names = [
    "CF-Connecting-IP",
    "True-Client-IP",
    "Client-IP",
    "X-Forwarded",
    "Forwarded-For",
    "Fastly-Client-IP",
    "X-Real-IP",
    "X-Client-IP",
    "Forwarded",
  ];
  const lines = [...names, "cf_connecting_ip", "X-Forwarded-For", "X-Postern-Client-IP", "X-Original-URL"];
  const head = requestHead(
    `GET / HTTP/1.1\r\nHost: a.example\r\n${lines.map((name) => `${name}: 6.6.6.6\r\n`).join("")}\r\n`,
  );
  const claimed = (proxied: boolean) =>
    [...forwardedRequest(head, { ...FACTS, proxied }).headers].filter(([, value]) => value === "6.6.6.6").map(
      (
        [name],
      ) => name,
    );
  assert.deepEqual(claimed(false), []);
  assert.deepEqual(claimed(true), [...names, "cf_connecting_ip"]);
});
