import assert from "node:assert/strict";
import fc from "fast-check";
import { codeOf } from "../../src/errors/mod.ts";
import { readUnverified } from "../../src/identity/mod.ts";
import { hasNoJudge, readAnswer, refusalOf } from "../../src/tokens/verifier_answer.ts";
import { secret, signed } from "./support.ts";
import { mutate, seeded } from "../support/mutation.ts";

const json = new Headers({ "content-type": "application/json; charset=utf-8" });
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

Deno.test("readAnswer() is a verdict or token_verifier_answer_invalid, whatever a verifier sends", () => {
  const isVerdict = (body: Uint8Array) => {
    try {
      const answer = readAnswer({ status: 200, headers: json, body });
      assert.equal(typeof answer.valid, "boolean");
      if (!answer.valid && answer.error !== undefined) assert.match(answer.error, /^[a-z0-9_]{1,64}$/);
      if (answer.valid) assert.equal(hasNoJudge(answer), false);
      return true;
    } catch (error) {
      assert.equal(codeOf(error), "token_verifier_answer_invalid");
      assert.equal((error as Error).cause, undefined, "a cause could quote the token");
      return false;
    }
  };
  assert.ok(isVerdict(bytesOf({ valid: true, claims: { iss: "a" } })));
  assert.ok(isVerdict(bytesOf({ valid: false, error: "unknown_key" })));
  fc.assert(fc.property(fc.jsonValue(), (value) => void isVerdict(bytesOf(value))));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => void isVerdict(bytes)));
  const members = fc.record({
    valid: fc.oneof(fc.boolean(), fc.jsonValue()),
    claims: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
    error: fc.oneof(fc.constantFrom("unknown_key", "unknown_issuer", "token_expired"), fc.jsonValue()),
  }, { requiredKeys: [] });
  fc.assert(fc.property(members, (answer) => {
    if (isVerdict(bytesOf(answer))) assert.equal(typeof answer.valid, "boolean");
  }));
});

Deno.test("refusalOf() never says that this edge is at fault, whatever word the verifier has", () => {
  const words = fc.oneof(
    fc.string(),
    fc.constantFrom("internal_error", "store_busy", "token_routes_full", "constructor"),
  );
  fc.assert(fc.property(words, (word) => {
    const { facts, code } = refusalOf("stage0", word);
    assert.equal(facts.blame, "peer");
    assert.equal(facts.status, 401);
    assert.ok(code.startsWith("token_"));
  }));
});

Deno.test("readUnverified() reads a token or refuses it by a code of tokens, however it is damaged", async () => {
  const token = await signed("HS256", secret);
  const random = seeded(1);
  for (let round = 0; round < 2_000; round++) {
    const text = new TextDecoder("latin1").decode(mutate(new TextEncoder().encode(token), random));
    try {
      const { alg, kid, issuer } = readUnverified("stage0", text);
      for (const read of [alg, kid, issuer]) assert.ok(read === undefined || typeof read === "string");
    } catch (error) {
      assert.match(codeOf(error), /^token_(malformed|wrong_type|too_large)$/);
    }
  }
});
