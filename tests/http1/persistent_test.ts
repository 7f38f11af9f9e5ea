import assert from "node:assert/strict";
import { persistent } from "../../src/http1/mod.ts";
import { requestHead, responseHead } from "./support.ts";

Deno.test("persistent() of a request follows version and Connection, and is false for upgrades", () => {
  const request = (minor: number, lines: string) =>
    persistent(requestHead(`GET / HTTP/1.${minor}\r\nHost: a\r\n${lines}\r\n`));
  assert.equal(request(1, ""), true);
  assert.equal(request(1, "Connection: Close\r\n"), false);
  assert.equal(request(1, "Connection: keep-alive, close\r\n"), false);
  assert.equal(request(1, "Connection: x\r\nConnection: close\r\n"), false);
  assert.equal(request(0, ""), false);
  assert.equal(request(0, "Connection: Keep-Alive\r\n"), true);
  assert.equal(request(0, "Connection: keep-alive, close\r\n"), false);
  assert.equal(request(1, "Connection: upgrade\r\nUpgrade: websocket\r\n"), false);
});

Deno.test("persistent() of a response is false where a body may follow that must not", () => {
  const response = (first: string, lines = "") => persistent(responseHead(`HTTP/${first}\r\n${lines}\r\n`));
  assert.equal(response("1.1 200 OK"), true);
  assert.equal(response("1.0 200 OK"), false);
  assert.equal(response("1.1 200 OK", "Connection: close\r\n"), false);
  assert.equal(response("1.1 204 X", "Content-Length: 0\r\n"), true);
  assert.equal(response("1.1 204 X", "Content-Length: 3\r\n"), false);
  assert.equal(response("1.1 204 X", "Transfer-Encoding: chunked\r\n"), false);
  assert.equal(response("1.1 304 X", "Content-Length: 3\r\n"), true);
  assert.equal(response("1.1 101 X", "Connection: upgrade\r\nUpgrade: websocket\r\n"), false);
});
