import assert from "node:assert/strict";
import fc from "fast-check";
import {
  BODY_LIMITS,
  type BodyLimits,
  BodyReader,
  HeaderList,
  lastChunkBytes,
  responseFraming,
  writeChunkEnd,
  writeChunkHeader,
  writeLastChunk,
} from "../../src/http1/mod.ts";
import { BODY_REFUSALS } from "./refusals.ts";
import { codeFrom, octets, readBody, requestHead, responseHead, textOf, violationFrom } from "./support.ts";

const CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

function chunkedReader(limits: Partial<BodyLimits> = {}): BodyReader {
  return BodyReader.forRequest(requestHead(CHUNKED), { ...BODY_LIMITS, ...limits });
}

function readChunked(text: string, limits: Partial<BodyLimits> = {}) {
  return readBody(chunkedReader(limits), octets(text), 0);
}

Deno.test("BodyReader.push() is done at once without a body, and stays where it was", () => {
  const reader = BodyReader.forRequest(requestHead("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.equal(reader.done, true);
  assert.equal(reader.push(octets("GET"), 1, 3), "done");
  assert.equal(reader.nextStart, 1);
  reader.eof();
});

Deno.test("BodyReader.push() ends a body at its length", () => {
  const reader = BodyReader.forRequest(
    requestHead("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"),
  );
  assert.deepEqual(readBody(reader, octets("xabcGET"), 1), { body: "abc", end: 4, trailers: [] });
  const empty = BodyReader.forRequest(requestHead("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
  assert.equal(empty.push(octets("GET"), 0, 3), "done");
});

Deno.test("BodyReader.push() decodes chunks in place", () => {
  const text = '5\r\nhello\r\n0006;a;b=c;d="e \\" ;"\r\n world\r\n0\r\n\r\nGET';
  assert.deepEqual(readChunked(text), { body: "hello world", end: text.length - 3, trailers: [] });
});

Deno.test("BodyReader.trailers holds the trailer fields without those that must not stand there", () => {
  const forbidden = [
    "Host: b",
    "Authorization: x",
    "Set-Cookie: a",
    "Connection: close",
    "X_Forwarded_For: 1.1.1.1",
    "X-Postern-Client-IP: 1.1.1.1",
    "Forwarded: for=x",
    "Content-Type: a/b",
  ];
  const text = `1\r\nx\r\n0\r\n${forbidden.join("\r\n")}\r\nX-Sum: a\r\nGrpc-Status:  0 \r\n\r\n`;
  assert.deepEqual(readChunked(text), {
    body: "x",
    end: text.length,
    trailers: [["X-Sum", "a"], ["Grpc-Status", "0"]],
  });
});

Deno.test("BodyReader.push() refuses malformed chunks", () => {
  for (const [code, text] of BODY_REFUSALS) {
    assert.equal(codeFrom(() => readChunked(text)), code, JSON.stringify(text.slice(0, 40)));
    // The same in single octets.
    const bytes = octets(text);
    const cuts = Array.from({ length: Math.min(bytes.length, 200) }, (_, at) => at);
    assert.equal(codeFrom(() => readBody(chunkedReader(), bytes, 0, cuts)), code, "in single octets");
  }
});

Deno.test("BodyReader.push() bounds chunk extensions, of one chunk and of all", () => {
  const chunk = (length: number) => `1;${"a".repeat(length - 1)}\r\nx\r\n`;
  const limits = { maxChunkExtensionBytes: 20, maxChunkExtensionTotalBytes: 50 };
  // The octet that ends an extension counts as well.
  assert.equal(readChunked(chunk(20) + chunk(20) + "0\r\n\r\n", limits).body, "xx");
  assert.equal(codeFrom(() => readChunked(chunk(21), limits)), "http_bad_chunk");
  assert.equal(codeFrom(() => readChunked(chunk(20) + chunk(20) + chunk(20), limits)), "http_bad_chunk");
});

Deno.test("BodyReader.push() hands on what it has of a large chunk before the rest arrives", () => {
  const reader = chunkedReader();
  const bytes = octets("ffffff\r\nabc");
  assert.equal(reader.push(bytes, 0, bytes.length), "data");
  assert.deepEqual([reader.dataStart, reader.dataEnd, reader.nextStart], [8, 11, 11]);
  assert.equal(reader.push(bytes, 11, 11), "need_more");
});

Deno.test("BodyReader.forResponse() blames the origin for malformed chunks", () => {
  const head = responseHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  const bytes = octets("5 \r\nhello");
  const reader = BodyReader.forResponse(head, "GET");
  assert.equal(violationFrom(() => reader.push(bytes, 0, bytes.length)), "http_bad_chunk");
});

Deno.test("BodyReader.eof() is legal after the body and where only the end of the stream ends it", () => {
  const response = (lines: string) =>
    BodyReader.forResponse(responseHead(`HTTP/1.1 200 OK\r\n${lines}\r\n`), "GET");
  const untilClose = response("");
  assert.equal(readBody(untilClose, octets("abc"), 0).body, "abc");
  assert.equal(untilClose.done, false);
  untilClose.eof();
  assert.equal(untilClose.done, true);

  const length = response("Content-Length: 3\r\n");
  readBody(length, octets("ab"), 0);
  assert.equal(codeFrom(() => length.eof()), "http_truncated_body");
  readBody(length, octets("c"), 0);
  length.eof();

  const chunked = response("Transfer-Encoding: chunked\r\n");
  readBody(chunked, octets("1\r\na\r\n0\r\n"), 0);
  assert.equal(codeFrom(() => chunked.eof()), "http_truncated_body");
});

Deno.test("responseFraming() follows RFC 9112 6.3", () => {
  const kind = (status: number, lines: string, method = "GET") =>
    responseFraming(responseHead(`HTTP/1.1 ${status} X\r\n${lines}\r\n`), method).kind;
  const length = "Content-Length: 3\r\n";
  const chunked = "Transfer-Encoding: chunked\r\n";
  assert.equal(kind(200, length), "length");
  assert.equal(kind(200, chunked), "chunked");
  assert.equal(kind(200, ""), "until_close");
  assert.equal(kind(404, ""), "until_close");
  for (const lines of [length, chunked, ""]) {
    assert.equal(kind(200, lines, "HEAD"), "none");
    for (const status of [100, 103, 204, 304]) assert.equal(kind(status, lines), "none");
  }
  assert.equal(kind(101, "Connection: upgrade\r\nUpgrade: websocket\r\n"), "upgrade");
});

/** A chunked body with random cuts, and the plain text that it carries. */
const chunkedBody = fc.tuple(
  fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }),
  fc.array(fc.tuple(fc.stringMatching(/^X-[A-Za-z]{1,8}$/), fc.stringMatching(/^[!-~]{0,8}$/)), {
    maxLength: 3,
  }),
  fc.array(fc.nat(600), { maxLength: 12 }),
);

Deno.test("BodyReader.push() finds the same body however it was chunked and cut", () => {
  fc.assert(
    fc.property(chunkedBody, ([chunks, trailerPairs, offsets]) => {
      const trailers = HeaderList.from(trailerPairs);
      const out = new Uint8Array(2048);
      let at = 0;
      for (const chunk of chunks) {
        at = writeChunkHeader(out, at, chunk.length);
        out.set(chunk, at);
        at = writeChunkEnd(out, at + chunk.length);
      }
      const last = lastChunkBytes(trailers);
      assert.equal(writeLastChunk(out, at, trailers), at + last);
      const end = at + last;
      const bytes = out.slice(0, end + 3);
      const expected = { body: chunks.map(textOf).join(""), end, trailers: trailerPairs };
      assert.deepEqual(readBody(chunkedReader(), bytes, 0), expected);
      const cuts = offsets.filter((offset) => offset < end).sort((a, b) => a - b);
      assert.deepEqual(readBody(chunkedReader(), bytes, 0, cuts), expected);
      const single = Array.from({ length: end }, (_, offset) => offset);
      assert.deepEqual(readBody(chunkedReader(), bytes, 0, single), expected);
    }),
    { numRuns: 300 },
  );
});

Deno.test("BodyReader.push() throws nothing but PosternError on arbitrary octets", () => {
  const part = fc.oneof(
    fc.constantFrom("\r\n", "0", "1", "a", ";", "=", '"', "\\", "\r", "\n", ":", " "),
    fc.uint8Array({ maxLength: 2 }).map((bytes) => String.fromCharCode(...bytes)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      codeFrom(() => readChunked(parts.join("")));
    }),
    { numRuns: 2000 },
  );
});
