import assert from "node:assert/strict";
import { isFieldName, isFieldValue, isManagedField } from "../../src/http1/mod.ts";

Deno.test("isFieldName() and isFieldValue() hold the grammar of a message's fields", () => {
  for (const name of ["X-A", "a_b", "!#$%&'*+.^_`|~1"]) assert.equal(isFieldName(name), true, name);
  for (const name of ["", "a b", "a:", "a\r", "ä", "a\u0000", "a\u0100"]) {
    assert.equal(isFieldName(name), false, name);
  }
  for (const value of ["", "a", "a\tb c", "\u00e4\u00ff", '"']) {
    assert.equal(isFieldValue(value), true, value);
  }
  for (const value of [" a", "a ", "\ta", "a\r\nX: y", "a\n", "\u0000", "\u007f", "\u0100", "😀"]) {
    assert.equal(isFieldValue(value), false, JSON.stringify(value));
  }
});

Deno.test("isManagedField() knows framing, one connection's fields, routing and Postern's own, in every spelling", () => {
  for (
    const name of [
      "Content-Length",
      "content_length",
      "TRANSFER-ENCODING",
      "Transfer.Encoding",
      "Connection",
      "Host",
      "host",
      "TE",
      "Trailer",
      "Upgrade",
      "Keep-Alive",
      "Proxy-Authorization",
      "X-Forwarded-For",
      "x_forwarded_proto",
      "X-Postern-Client-IP",
      "X-Request-Id",
      "Sec-WebSocket-Accept",
    ]
  ) assert.equal(isManagedField(name), true, name);
  for (const name of ["Authorization", "Server", "X-Forwarded", "X-Custom", "Cookie", "Hosts"]) {
    assert.equal(isManagedField(name), false, name);
  }
});
