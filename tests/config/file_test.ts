import assert from "node:assert/strict";
import fc from "fast-check";
import { PosternError } from "../../src/errors/mod.ts";
import { maxConfigFileBytes, parseConfigFile } from "../../src/config/mod.ts";

function refusal(text: string): { code: string; message: string } {
  try {
    parseConfigFile(text, "postern.yaml");
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error));
    return error;
  }
  assert.fail("accepted");
}

Deno.test("parseConfigFile() keeps the place of keys and values", () => {
  const file = parseConfigFile("version: 1\nlimits:\n  max_agents: 5\n", "f");
  const limits = file.entries.get("limits");
  assert.equal(limits?.at, "2:1");
  assert.ok(limits?.value.kind === "map");
  assert.deepEqual(limits.value.entries.get("max_agents"), {
    at: "3:3",
    value: { kind: "scalar", at: "3:15", value: 5 },
  });
  assert.equal(file.entries.has("version"), false);
});

Deno.test("parseConfigFile() wants version 1", () => {
  assert.equal(refusal("").code, "config_version_unsupported");
  assert.equal(refusal("listen: a:1").code, "config_version_unsupported");
  assert.match(refusal("listen: a:1\nversion: 2").message, /postern\.yaml:2:1/);
  assert.equal(refusal('version: "1"').code, "config_version_unsupported");
});

Deno.test("parseConfigFile() refuses broken YAML, duplicate keys, aliases, tags and odd tops with their place", () => {
  const cases = {
    "version: 1\na: [": /postern\.yaml:\d+:\d+/,
    "version: 1\na: 1\na: 2": /postern\.yaml:3:1/,
    "version: 1\na: &x 1\nb: *x": /postern\.yaml:2:\d+.*anchors/,
    "version: 1\na: !!js/function x": /postern\.yaml:2:\d+/,
    "version: 1\n? [a]\n: 1": /postern\.yaml:2:\d+.*plain text/,
    "version: 1\n1: 2": /plain text/,
    "- 1": /top level/,
    "text": /top level/,
    "version: 1\n---\nversion: 1": /multiple documents/,
  };
  for (const [text, message] of Object.entries(cases)) {
    const error = refusal(text);
    assert.equal(error.code, "config_syntax_invalid", text);
    assert.match(error.message, message);
  }
});

Deno.test("parseConfigFile() bounds length and depth", () => {
  assert.equal(refusal("#".repeat(maxConfigFileBytes + 1)).code, "config_file_too_large");
  assert.equal(refusal(`version: 1\na: ${"[".repeat(20)}${"]".repeat(20)}`).code, "config_syntax_invalid");
  assert.equal(refusal(`version: 1\na: ${"[".repeat(50_000)}`).code, "config_syntax_invalid");
});

Deno.test("parseConfigFile() throws nothing but PosternError, whatever it reads", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    try {
      parseConfigFile(`version: 1\n${text}`, "f");
    } catch (error) {
      assert.ok(error instanceof PosternError, String(error));
    }
  }));
});
