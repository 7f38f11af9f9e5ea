import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import {
  FRAME_TABLE,
  FrameType,
  MAX_OPEN_TEXT_BYTES,
  openingBytes,
  readOpening,
  RESET_REASONS,
  resetNumber,
  resetReason,
  STREAM_CLASSES,
  streamClass,
  type StreamOpening,
  writeOpening,
} from "../../src/wire/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

function written(opening: StreamOpening): Uint8Array {
  const bytes = new Uint8Array(openingBytes(opening));
  assert.equal(writeOpening(bytes, 0, opening), bytes.length);
  return bytes;
}

const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((n) => String.fromCharCode(n)) });
const opening: fc.Arbitrary<StreamOpening> = fc.record({
  class: fc.nat(STREAM_CLASSES.length - 1),
  kind: fc.constantFrom("http" as const, "tcp" as const, "udp" as const),
  service: fc.nat(0xffff),
  viewer: text.map((t) => t.slice(0, MAX_OPEN_TEXT_BYTES)),
  requestId: text.map((t) => t.slice(0, MAX_OPEN_TEXT_BYTES)),
  destination: text.map((t) => `[${t}`.slice(0, MAX_OPEN_TEXT_BYTES)),
}, { noNullPrototype: true, requiredKeys: ["class", "kind", "service", "viewer", "requestId"] });

Deno.test("readOpening() reads back what writeOpening() wrote, at any offset", () => {
  fc.assert(fc.property(opening, fc.nat(20), (expected, offset) => {
    const bytes = new Uint8Array(offset + openingBytes(expected));
    const end = writeOpening(bytes, offset, expected);
    assert.deepEqual(readOpening(bytes, offset, end), expected);
  }));
});

Deno.test("the longest opening fits into an OPEN frame", () => {
  const longest = "v".repeat(MAX_OPEN_TEXT_BYTES);
  const row = FRAME_TABLE[FrameType.open];
  const shape = { class: 0, kind: "http", service: 0 } as const;
  assert.ok(
    openingBytes({ ...shape, viewer: longest, requestId: longest, destination: longest }) <= row.maxBytes,
  );
  assert.equal(openingBytes({ ...shape, viewer: "", requestId: "" }), row.minBytes);
});

Deno.test("writeOpening() replaces what the receiver would refuse, and is never asked for longer texts", () => {
  const odd = {
    class: 0,
    kind: "tcp",
    service: 1,
    viewer: "a\u0000b\u00e9\u0141",
    requestId: "\r\n",
  } as const;
  assert.deepEqual(readOpening(written(odd), 0, openingBytes(odd)), {
    ...odd,
    viewer: "a?b??",
    requestId: "??",
  });
  assert.throws(
    () => written({ ...odd, viewer: "v".repeat(MAX_OPEN_TEXT_BYTES + 1) }),
    RangeError,
  );
});

Deno.test("readOpening() refuses unknown classes and kinds, texts that do not fit and bytes left over", () => {
  const good = written({ class: 0, kind: "http", service: 0, viewer: "v", requestId: "id" });
  const change = (at: number, value: number) => good.with(at, value);
  const cases: [string, Uint8Array][] = [
    ["class", change(0, STREAM_CLASSES.length)],
    ["kind 0", change(1, 0)],
    ["kind 4", change(1, 4)],
    ["viewer over the end", change(4, 100)],
    ["viewer over the limit", change(4, MAX_OPEN_TEXT_BYTES + 1)],
    ["request id over the end", change(6, 3)],
    ["bytes left over", change(6, 1)],
    ["control character", change(5, 0x0a)],
    ["beyond ASCII", change(7, 0xe9)],
    ["no request id", good.subarray(0, 6)],
  ];
  for (const [what, bytes] of cases) {
    assert.throws(() => readOpening(bytes, 0, bytes.length), code("frame_bad_open"), what);
  }
});

Deno.test("readOpening() throws nothing but PosternError for random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 80 }), (bytes) => {
      bytes[0] %= STREAM_CLASSES.length + 1;
      bytes[1] %= 4;
      try {
        const read = readOpening(bytes, 0, bytes.length);
        assert.deepEqual(written(read), bytes, "what is accepted has one form only");
      } catch (error) {
        assert.ok(error instanceof PosternError && error.code === "frame_bad_open", String(error));
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("resetReason() inverts resetNumber() and reads unknown numbers as internal", () => {
  for (const reason of RESET_REASONS) assert.equal(resetReason(resetNumber(reason)), reason);
  assert.equal(resetReason(RESET_REASONS.length), "internal");
  assert.equal(resetReason(0xffff), "internal");
});

Deno.test("streamClass() gives the number of each of the eleven classes", () => {
  assert.equal(STREAM_CLASSES.length, 11);
  STREAM_CLASSES.forEach((row, number) => assert.equal(streamClass(row.name), number));
  assert.ok(STREAM_CLASSES.every((row) => row.weight >= 1));
});
