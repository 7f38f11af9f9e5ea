import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import {
  FRAME_HEADER_BYTES,
  FRAME_TABLE,
  FrameFlag,
  FrameReader,
  type FrameRow,
  FrameType,
  MAX_DATA_BYTES,
  MAX_RECORD_BODY_BYTES,
  writeFrameHeader,
} from "../../src/wire/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

/** A frame as told, with a payload of zeros of `payloadBytes` (default: as announced). */
function frame(
  type: number,
  flags: number,
  length: number,
  stream: number,
  payloadBytes = length,
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
  writeFrameHeader(bytes, 0, type as FrameType, flags, length, stream);
  return bytes;
}

function read(bytes: Uint8Array): FrameReader {
  const reader = new FrameReader();
  reader.read(bytes, 0, bytes.length);
  return reader;
}

const legalStream = (row: FrameRow) => row.on === "channel" ? 0 : 7;

Deno.test("FRAME_TABLE is indexed by type and names every type once", () => {
  FRAME_TABLE.forEach((row, index) => assert.equal(row.type, index));
  assert.deepEqual(
    FRAME_TABLE.map((row) => row.name.toLowerCase()),
    Object.keys(FrameType),
  );
  for (const row of FRAME_TABLE) assert.ok(row.minBytes <= row.maxBytes && row.maxBytes <= MAX_DATA_BYTES);
});

Deno.test("a record's body holds exactly one full DATA frame", () => {
  assert.equal(FRAME_HEADER_BYTES + MAX_DATA_BYTES, MAX_RECORD_BODY_BYTES);
});

for (const row of FRAME_TABLE) {
  Deno.test(`FrameReader.read() takes ${row.name} at both ends of its length`, () => {
    for (const length of [row.minBytes, row.maxBytes]) {
      const reader = read(frame(row.type, row.flags, length, legalStream(row)));
      assert.deepEqual(
        [reader.type, reader.flags, reader.stream, reader.payloadStart, reader.payloadEnd],
        [row.type, row.flags, legalStream(row), FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length],
      );
    }
  });

  Deno.test(`FrameReader.read() refuses malformed ${row.name} with a code for each fault`, () => {
    const stream = legalStream(row);
    const well = frame(row.type, 0, row.minBytes, stream);
    for (let bytes = 0; bytes < FRAME_HEADER_BYTES; bytes++) {
      assert.throws(() => read(well.subarray(0, bytes)), code("frame_truncated"));
    }
    for (let bit = 1; bit < 0x100; bit <<= 1) {
      if ((row.flags & bit) !== 0) continue;
      assert.throws(() => read(frame(row.type, bit, row.minBytes, stream)), code("frame_bad_flags"));
    }
    if (row.minBytes > 0) {
      assert.throws(() => read(frame(row.type, 0, row.minBytes - 1, stream)), code("frame_bad_length"));
    }
    assert.throws(() => read(frame(row.type, 0, row.maxBytes + 1, stream)), code("frame_bad_length"));
    if (row.on === "stream") {
      assert.throws(() => read(frame(row.type, 0, row.minBytes, 0)), code("frame_bad_stream"));
    }
    if (row.on === "channel") {
      for (const other of [1, 0x7fff_ffff, 0xffff_ffff]) {
        assert.throws(() => read(frame(row.type, 0, row.minBytes, other)), code("frame_bad_stream"));
      }
    }
    // A declared length is judged before the payload is looked for.
    assert.throws(() => read(frame(row.type, 0, row.maxBytes + 1, stream, 0)), code("frame_bad_length"));
    if (row.maxBytes > 0) {
      const length = Math.max(1, row.minBytes);
      assert.throws(() => read(frame(row.type, 0, length, stream, length - 1)), code("frame_truncated"));
    }
  });
}

Deno.test("FrameReader.read() refuses types that are not in the table", () => {
  for (let type = FRAME_TABLE.length; type < 0x100; type++) {
    assert.throws(() => read(frame(type, 0, 0, 0)), code("frame_unknown_type"));
  }
});

const wellFormed = fc.constantFrom(...FRAME_TABLE).chain((row) =>
  fc.record({
    type: fc.constant(row.type),
    flags: fc.constantFrom(0, row.flags & FrameFlag.end, row.flags),
    length: fc.integer({ min: row.minBytes, max: Math.min(row.maxBytes, row.minBytes + 40) }),
    stream: row.on === "channel" ? fc.constant(0) : fc.integer({ min: 1, max: 0xffff_ffff }),
  })
);

Deno.test("FrameReader.read() reads back what writeFrameHeader() wrote, frame behind frame", () => {
  fc.assert(fc.property(fc.array(wellFormed, { maxLength: 12 }), (frames) => {
    const bytes = new Uint8Array(frames.reduce((sum, f) => sum + FRAME_HEADER_BYTES + f.length, 0));
    let at = 0;
    for (const f of frames) {
      writeFrameHeader(bytes, at, f.type, f.flags, f.length, f.stream);
      at += FRAME_HEADER_BYTES + f.length;
    }
    const reader = new FrameReader();
    at = 0;
    for (const f of frames) {
      reader.read(bytes, at, bytes.length);
      assert.deepEqual([reader.type, reader.flags, reader.stream], [f.type, f.flags, f.stream]);
      assert.equal(reader.payloadEnd - reader.payloadStart, f.length);
      at = reader.payloadEnd;
    }
    assert.equal(at, bytes.length);
  }));
});

/** Reads a whole body; returns how many frames it held. */
function readAll(bytes: Uint8Array): number {
  const reader = new FrameReader();
  let frames = 0;
  for (let at = 0; at < bytes.length; frames++) {
    reader.read(bytes, at, bytes.length);
    assert.ok(reader.payloadStart >= at + FRAME_HEADER_BYTES && reader.payloadEnd <= bytes.length);
    at = reader.payloadEnd;
  }
  return frames;
}

Deno.test("FrameReader.read() throws nothing but PosternError for random and for mutated bytes, and always gets on", () => {
  const judged = (bytes: Uint8Array) => {
    try {
      readAll(bytes);
    } catch (error) {
      assert.ok(error instanceof PosternError, String(error));
      assert.match(error.code, /^frame_/);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), judged), { numRuns: 500 });
  fc.assert(
    fc.property(
      fc.array(wellFormed, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (frames, changes) => {
        const bytes = new Uint8Array(frames.reduce((sum, f) => sum + FRAME_HEADER_BYTES + f.length, 0));
        let at = 0;
        for (const f of frames) {
          writeFrameHeader(bytes, at, f.type, f.flags, f.length, f.stream);
          at += FRAME_HEADER_BYTES + f.length;
        }
        for (const [where, value] of changes) bytes[where % bytes.length] = value;
        judged(bytes);
      },
    ),
    { numRuns: 500 },
  );
});
