import assert from "node:assert/strict";
import { CATALOGUE, codeOf, errorOf, isErrorCode, PosternError } from "../../src/errors/mod.ts";

Deno.test("PosternError has the catalogue's facts, and its title for want of a message", () => {
  const cause = new Error("inner");
  const error = new PosternError("agent_limit", undefined, { cause, detail: { agents: 3 } });
  assert.equal(error.message, CATALOGUE.agent_limit.title);
  assert.equal(error.facts, CATALOGUE.agent_limit);
  assert.equal(error.retryable, CATALOGUE.agent_limit.retryable);
  assert.equal(error.cause, cause);
  assert.deepEqual(error.detail, { agents: 3 });
  assert.ok(!("cause" in new PosternError("agent_limit", "Cannot take agent: there are enough")));
});

Deno.test("errorOf() leaves a PosternError alone and keeps whatever else was thrown as the cause", () => {
  const error = new PosternError("agent_limit");
  assert.equal(errorOf(error, "Cannot go on"), error);
  const bug = new TypeError("x is undefined");
  assert.equal(errorOf(bug).code, "internal_error");
  assert.equal(errorOf(bug).message, CATALOGUE.internal_error.title);
  assert.equal(errorOf(bug, "Cannot go on").message, "Cannot go on");
  assert.equal(errorOf(bug).cause, bug);
});

Deno.test("codeOf() and isErrorCode() know the codes of the catalogue and nothing else", () => {
  assert.equal(codeOf(new PosternError("agent_limit")), "agent_limit");
  for (const thrown of [new Error("x"), "agent_limit", undefined]) {
    assert.equal(codeOf(thrown), "internal_error");
  }
  assert.ok(isErrorCode("agent_limit"));
  for (const text of ["", "toString", "__proto__", "agent-limit"]) assert.ok(!isErrorCode(text), text);
});
