import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import {
  MAX_HANDSHAKE_BODY_BYTES,
  MAX_RECORD_BODY_BYTES,
  MAX_RECORD_BYTES,
  readRecordEpoch,
  readRecordKind,
  RECORD_HEADER_BYTES,
  RECORD_TAG_BYTES,
  RecordKind,
  writeRecordHeader,
} from "../../src/wire/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

function record(kind: number, epoch: number, bytes: number): Uint8Array {
  const out = new Uint8Array(Math.max(bytes, RECORD_HEADER_BYTES));
  writeRecordHeader(out, 0, kind as RecordKind, epoch);
  return out.subarray(0, bytes);
}

Deno.test("readRecordKind() and readRecordEpoch() read back what writeRecordHeader() wrote", () => {
  fc.assert(fc.property(fc.nat(0xffff), fc.nat(9), (epoch, offset) => {
    const bytes = new Uint8Array(offset + RECORD_HEADER_BYTES + RECORD_TAG_BYTES);
    writeRecordHeader(bytes, offset, RecordKind.transport, epoch);
    assert.equal(readRecordKind(bytes, offset, bytes.length), RecordKind.transport);
    assert.equal(readRecordEpoch(bytes, offset), epoch);
  }));
});

Deno.test("readRecordKind() takes records up to their limit and refuses longer ones with record_too_large", () => {
  const handshake = RECORD_HEADER_BYTES + MAX_HANDSHAKE_BODY_BYTES;
  assert.equal(RECORD_HEADER_BYTES + MAX_RECORD_BODY_BYTES + RECORD_TAG_BYTES, MAX_RECORD_BYTES);
  assert.equal(readRecordKind(record(1, 0, handshake), 0, handshake), RecordKind.handshake);
  assert.equal(readRecordKind(record(2, 0, MAX_RECORD_BYTES), 0, MAX_RECORD_BYTES), RecordKind.transport);
  assert.throws(
    () => readRecordKind(record(1, 0, handshake + 1), 0, handshake + 1),
    code("record_too_large"),
  );
  assert.throws(
    () => readRecordKind(record(2, 0, MAX_RECORD_BYTES + 1), 0, MAX_RECORD_BYTES + 1),
    code("record_too_large"),
  );
});

Deno.test("readRecordKind() refuses short records with record_truncated", () => {
  for (let bytes = 0; bytes < RECORD_HEADER_BYTES; bytes++) {
    assert.throws(() => readRecordKind(record(2, 0, bytes), 0, bytes), code("record_truncated"));
  }
  for (let bytes = RECORD_HEADER_BYTES; bytes < RECORD_HEADER_BYTES + RECORD_TAG_BYTES; bytes++) {
    assert.throws(() => readRecordKind(record(2, 0, bytes), 0, bytes), code("record_truncated"));
  }
});

Deno.test("readRecordKind() refuses other kinds and the reserved byte with record_unknown_kind", () => {
  for (let kind = 0; kind < 256; kind++) {
    if (kind === 1 || kind === 2) continue;
    assert.throws(() => readRecordKind(record(kind, 0, 40), 0, 40), code("record_unknown_kind"));
  }
  assert.throws(() => readRecordKind(record(2, 0, 40).with(1, 1), 0, 40), code("record_unknown_kind"));
});

Deno.test("readRecordKind() refuses an epoch in a handshake record with record_bad_epoch", () => {
  assert.throws(() => readRecordKind(record(1, 1, 40), 0, 40), code("record_bad_epoch"));
});

Deno.test("readRecordKind() throws nothing but PosternError for random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        readRecordKind(bytes, 0, bytes.length);
      } catch (error) {
        assert.ok(error instanceof PosternError, String(error));
        assert.match(error.code, /^record_/);
      }
    }),
    { numRuns: 500 },
  );
});
