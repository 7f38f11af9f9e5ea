import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";
import type { PosternError } from "../../src/errors/mod.ts";
import { encodeAttach, encodePaired, MAX_ATTACH_BYTES, readAttach, readPaired } from "../../src/relay/mod.ts";

const attach = { channel_id: "c".repeat(32), role: "client" as const, token: "t".repeat(300) };
const codeOf = (code: string, reason?: string) => (error: PosternError) => {
  assert.equal(error.code, code);
  if (reason !== undefined) assert.equal(error.detail.reason, reason);
  assert.ok(!JSON.stringify([error.message, error.detail]).includes("ttt"), "no token is quoted");
  return true;
};

Deno.test("readAttach() gives back what encodeAttach() was given", () => {
  assert.deepEqual(readAttach(encodeAttach(attach)), { type: "attach", v: 1, ...attach });
});

Deno.test("readAttach() tells what is no attach from one that is malformed, and quotes neither", () => {
  for (const text of ["", "ttt", "[]", "null", '"attach"', "{}", '{"type":"paired"}', "\u0000".repeat(100)]) {
    assert.throws(() => readAttach(utf8(text)), codeOf("relay_attach_expected", "expected_attach"));
  }
  assert.throws(() => readAttach(new Uint8Array([0xff, 0xfe])), codeOf("relay_attach_expected"));
  const whole = { type: "attach", v: 1, ...attach };
  const broken = [
    { ...whole, v: 2 },
    { ...whole, role: "both" },
    { ...whole, token: "ttt" },
    { ...whole, channel_id: "" },
    { ...whole, more: 1 },
    { type: "attach", v: 1 },
  ];
  for (const value of broken) {
    assert.throws(
      () => readAttach(utf8(JSON.stringify(value))),
      codeOf("relay_attach_invalid", "invalid_attach"),
    );
  }
  assert.throws(() => readAttach(new Uint8Array(MAX_ATTACH_BYTES + 1)), codeOf("relay_attach_invalid"));
});

Deno.test("readPaired() gives back what encodePaired() was given, and drops fields of later versions", () => {
  const paired = { idle_timeout_seconds: 60, max_record_bytes: 65_535 };
  assert.deepEqual(readPaired(encodePaired(paired)), { type: "paired", v: 1, ...paired });
  const later = { ...JSON.parse(utf8Decode(encodePaired(paired))), more: true };
  assert.deepEqual(readPaired(utf8(JSON.stringify(later))), { type: "paired", v: 1, ...paired });
  for (const text of ["", "{}", '{"type":"paired","v":1}', "x".repeat(2_000)]) {
    assert.throws(() => readPaired(utf8(text)), codeOf("relay_paired_invalid"));
  }
});
