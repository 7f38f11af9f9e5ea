import assert from "node:assert/strict";
import { HeaderList, MAX_CHUNK_HEADER_BYTES, writeChunkHeader, writeLastChunk } from "../../src/http1/mod.ts";
import { codeFrom, textOf } from "./support.ts";

Deno.test("writeChunkHeader() writes the size in hexadecimal without leading zeros", () => {
  for (
    const length of [
      1,
      9,
      15,
      16,
      255,
      256,
      4095,
      4096,
      65535,
      65536,
      1048576,
      0x7fffffff,
      0x80000000,
      0xffffffff,
    ]
  ) {
    const out = new Uint8Array(20).fill(0x7e);
    const end = writeChunkHeader(out, 3, length);
    assert.equal(textOf(out), `~~~${length.toString(16)}\r\n`.padEnd(20, "~"));
    assert.equal(end - 3, length.toString(16).length + 2);
    assert.ok(end - 3 <= MAX_CHUNK_HEADER_BYTES);
  }
});

Deno.test("writeChunkHeader() refuses a size that would end the body or has no digits", () => {
  for (const length of [0, -1, 1.5, NaN, 2 ** 32]) {
    assert.throws(() => writeChunkHeader(new Uint8Array(20), 0, length), RangeError);
  }
});

Deno.test("writeLastChunk() ends the body, and refuses trailers that must not be", () => {
  const out = new Uint8Array(64);
  assert.equal(textOf(out.subarray(0, writeLastChunk(out, 0))), "0\r\n\r\n");
  const trailers = HeaderList.from([["X-Sum", "a"], ["B", ""]]);
  assert.equal(textOf(out.subarray(0, writeLastChunk(out, 0, trailers))), "0\r\nX-Sum: a\r\nB: \r\n\r\n");
  for (const [name, value] of [["Content-Length", "3"], ["Host", "a"], ["X", "a\r\nb"], ["X Y", "a"]]) {
    const bad = HeaderList.from([[name, value]]);
    assert.equal(codeFrom(() => writeLastChunk(out, 0, bad)), "http_header_injection", name);
  }
});
