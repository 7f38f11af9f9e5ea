import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../src/bytes/mod.ts";
import {
  DATAGRAM_HEADER_BYTES,
  DatagramReader,
  frameDatagram,
  MAX_DATAGRAM_BYTES,
} from "../../src/wire/mod.ts";

/** What a reader finds in bytes that come in these pieces. */
function read(pieces: readonly Uint8Array[], reader = new DatagramReader()): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const piece of pieces) {
    // The bytes lie somewhere in a larger buffer, which is overwritten afterwards.
    const buffer = concat(new Uint8Array(7), piece, new Uint8Array(3));
    reader.push(buffer, 7, 7 + piece.length, (payload) => found.push(payload.slice()));
    buffer.fill(0xee);
  }
  return found;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, n) => bytes.subarray(at[n], end));
}

const payloads = fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 12 });

Deno.test("DatagramReader gives back every datagram, in order, however the stream is cut", () => {
  fc.assert(fc.property(payloads, fc.array(fc.nat()), (datagrams, places) => {
    const reader = new DatagramReader();
    const found = read(cut(concat(...datagrams.map(frameDatagram)), places), reader);
    assert.deepEqual(found.map((each) => [...each]), datagrams.map((each) => [...each]));
    assert.equal(reader.held, 0);
  }));
});

Deno.test("DatagramReader gives back datagrams byte by byte, among them empty ones and the longest", () => {
  const datagrams = [0, 1, 0, 1_472, MAX_DATAGRAM_BYTES].map((length) => new Uint8Array(length).fill(length));
  const bytes = concat(...datagrams.map(frameDatagram));
  const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  assert.deepEqual(read(single), datagrams);
  assert.deepEqual(read([bytes]), datagrams);
});

Deno.test("DatagramReader.held counts what waits for its rest", () => {
  const reader = new DatagramReader();
  const bytes = frameDatagram(new Uint8Array(100));
  assert.deepEqual(read([bytes.subarray(0, 1)], reader), []);
  assert.equal(reader.held, 1);
  assert.deepEqual(read([bytes.subarray(1, 60)], reader), []);
  assert.equal(reader.held, 60);
  assert.equal(read([concat(bytes.subarray(60), bytes.subarray(0, 10))], reader).length, 1);
  assert.equal(reader.held, 10);
});

Deno.test("DatagramReader.push() refuses a reserved length before its payload arrives: datagram_bad_length", () => {
  for (const length of [MAX_DATAGRAM_BYTES + 1, 0xffff]) {
    const header = Uint8Array.of(length >> 8, length);
    assert.throws(() => read([header]), { code: "datagram_bad_length" });
    assert.throws(() => read([header.subarray(0, 1), header.subarray(1)]), { code: "datagram_bad_length" });
  }
});

Deno.test("DatagramReader survives any bytes: it finds datagrams or refuses, and never holds more than one", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 500 })), (pieces) => {
    const reader = new DatagramReader();
    try {
      for (const payload of read(pieces, reader)) assert.ok(payload.length <= MAX_DATAGRAM_BYTES);
    } catch (error) {
      assert.equal((error as { code: string }).code, "datagram_bad_length");
    }
    assert.ok(reader.held < DATAGRAM_HEADER_BYTES + MAX_DATAGRAM_BYTES);
  }));
});

Deno.test("frameDatagram() refuses what is too long for one", () => {
  assert.throws(() => frameDatagram(new Uint8Array(MAX_DATAGRAM_BYTES + 1)), RangeError);
});
