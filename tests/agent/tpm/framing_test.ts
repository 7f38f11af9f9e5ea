import assert from "node:assert/strict";
import fc from "fast-check";
import { parseResponse, responseBytes } from "../../../agent/tpm/framing.ts";
import { codeOf, PosternError } from "../../../src/errors/mod.ts";
import { response } from "./scripted_pipe.ts";

const COMMAND = Uint8Array.fromHex("8001" + "0000000c" + "0000017b" + "0008");
const IN_SESSION = Uint8Array.fromHex("8002" + "0000000c" + "0000017b" + "0008");

const refused = (state: RegExp) => (error: unknown) => {
  assert.equal(codeOf(error), "tpm_framing");
  assert.match((error as Error).message, state);
  return true;
};

Deno.test("responseBytes() refuses a size that no response has before its body is waited for", () => {
  const sized = (bytes: number) => {
    const header = response(0);
    new DataView(header.buffer).setUint32(2, bytes);
    return header;
  };
  for (const bytes of [0, 9, 4_097, 0xffff_ffff]) {
    assert.throws(() => responseBytes(sized(bytes)), refused(/it declares/));
  }
  assert.equal(responseBytes(sized(10)), 10);
  assert.equal(responseBytes(sized(4_096)), 4_096);
});

Deno.test("responseBytes() refuses other tags and names a TPM 1.2", () => {
  assert.throws(() => responseBytes(response(0, undefined, 0x1234)), refused(/tag 0x1234/));
  assert.throws(() => responseBytes(response(0x1e, undefined, 0x00c4)), refused(/TPM 1\.2/));
});

Deno.test("parseResponse() takes a response whose tag, size and code agree", () => {
  const body = Uint8Array.of(1, 2, 3);
  assert.deepEqual(parseResponse(COMMAND, response(0, body)), { code: 0, body });
  assert.deepEqual(parseResponse(IN_SESSION, response(0, body, 0x8002)).body, body);
  assert.deepEqual(parseResponse(IN_SESSION, response(0x922)), { code: 0x922, body: new Uint8Array() });
});

Deno.test("parseResponse() refuses an error with a body, an error in a session, and another tag than the command's", () => {
  assert.throws(() => parseResponse(COMMAND, response(0x922, Uint8Array.of(0))), refused(/goes on/));
  assert.throws(() => parseResponse(IN_SESSION, response(0x922, undefined, 0x8002)), refused(/goes on/));
  assert.throws(() => parseResponse(COMMAND, response(0, undefined, 0x8002)), refused(/tag is not/));
  assert.throws(() => parseResponse(IN_SESSION, response(0)), refused(/tag is not/));
});

Deno.test("parseResponse() refuses bytes beyond the declared size", () => {
  const long = new Uint8Array(11);
  long.set(response(0));
  assert.throws(() => parseResponse(COMMAND, long), refused(/declares 10 bytes and has 11/));
});

Deno.test("parseResponse() of any bytes is a response or tpm_framing", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 10, maxLength: 64 }), (bytes) => {
    try {
      const { code, body } = parseResponse(COMMAND, bytes);
      assert.ok(code === 0 || body.length === 0);
    } catch (error) {
      assert.ok(error instanceof PosternError && error.code === "tpm_framing", String(error));
    }
  }));
});
