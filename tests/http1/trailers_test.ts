import assert from "node:assert/strict";
import { HeaderList, parseTrailers, serializeTrailers } from "../../src/http1/mod.ts";
import { codeFrom, octets, pairs, textOf, violationFrom } from "./support.ts";

Deno.test("serializeTrailers() is undone by parseTrailers()", () => {
  const list: [string, string][] = [["X-Sum", "a\xe4"], ["Grpc-Status", "0"], ["Empty", ""]];
  const section = serializeTrailers(HeaderList.from(list));
  assert.ok(section);
  assert.equal(textOf(section), "X-Sum: a\xe4\r\nGrpc-Status: 0\r\nEmpty: \r\n");
  assert.deepEqual(pairs(parseTrailers(section)), list);
});

Deno.test("serializeTrailers() has nothing to say of no trailers, and refuses injection", () => {
  assert.equal(serializeTrailers(new HeaderList()), undefined);
  const bad = HeaderList.from([["X", "a\r\nb"]]);
  assert.equal(codeFrom(() => serializeTrailers(bad)), "http_header_injection");
});

Deno.test("parseTrailers() drops what must not stand there and takes an empty section", () => {
  const section = octets("Host: a\r\nX-Forwarded-For: b\r\nX-Sum: c\r\nConnection: close;\r\n");
  assert.deepEqual(pairs(parseTrailers(section)), [["X-Sum", "c"]]);
  assert.equal(parseTrailers(octets("")).length, 0);
});

Deno.test("parseTrailers() refuses a malformed section", () => {
  const bad: [string, string][] = [
    ["http_bad_header_name", "X: y"],
    ["http_bad_header_name", "X: y\r\n\r\nZ: hidden\r\n"],
    ["http_bad_header_name", "no colon\r\n"],
    ["http_bare_line_ending", "X: y\n"],
    ["http_obs_fold", "X: y\r\n z\r\n"],
    ["http_conflicting_framing", "Content-Length: 3\r\n"],
    ["http_too_many_headers", "X: y\r\n".repeat(33)],
    ["http_trailers_too_large", `X: ${"y".repeat(8192)}\r\n`],
  ];
  for (const [violation, text] of bad) {
    assert.equal(violationFrom(() => parseTrailers(octets(text))), violation, text.slice(0, 30));
  }
});
