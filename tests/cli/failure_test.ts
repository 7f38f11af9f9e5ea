import assert from "node:assert/strict";
import { exitCodeOf, explanationOf, failureJson, failureText } from "../../cli/failure.ts";
import { CATALOGUE, type ErrorCode, PosternError } from "../../src/errors/mod.ts";

Deno.test("exitCodeOf() follows the catalogue, and is never 0", () => {
  for (const [code, facts] of Object.entries(CATALOGUE)) {
    assert.equal(exitCodeOf(new PosternError(code as ErrorCode)), facts.exit ?? 1);
  }
  assert.equal(exitCodeOf(new TypeError("x")), 1);
  assert.equal(exitCodeOf(undefined), 1);
});

Deno.test("failureText() prints code, message, remedy and page, every line printable", () => {
  const error = new PosternError("config_conflict", "Cannot a\x1b[2J\nsecond");
  assert.equal(
    failureText(error, false),
    "error[config_conflict]: Cannot a\\u001b[2J\n" +
      "  second\n" +
      `  fix:  ${CATALOGUE.config_conflict.remedy}\n` +
      `  more: ${explanationOf(error)}\n`,
  );
});

Deno.test("failureText() shows stack and causes only for debugging", () => {
  const error = new PosternError("config_conflict", "Cannot", { cause: new TypeError("the cause") });
  assert.doesNotMatch(failureText(error, false), /the cause|\.ts:/);
  assert.match(failureText(error, true), /failure_test\.ts.*TypeError: the cause/s);
});

Deno.test("failureText() and failureJson() name the command that was typed in the remedy", () => {
  const error = new PosternError("cli_argument_missing", "Cannot", { detail: { command: "http" } });
  assert.match(failureText(error, false), /fix: {2}Run `postern help http` for the usage line/);
  assert.match(JSON.parse(failureJson(error)).error.remedy, /`postern help http`/);
});

Deno.test("failureJson() is one object on one line", () => {
  const text = failureJson(new PosternError("config_conflict", "Cannot\nx", { detail: { a: 1 } }));
  assert.equal(text.indexOf("\n"), text.length - 1);
  const { error } = JSON.parse(text);
  assert.equal(error.code, "config_conflict");
  assert.equal(error.exit, 2);
  assert.deepEqual(error.detail, { a: 1 });
  assert.match(JSON.parse(failureJson(new TypeError("boom"))).error.code, /internal_error/);
});
