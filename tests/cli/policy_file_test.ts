import assert from "node:assert/strict";
import fc from "fast-check";
import { formatPolicy, readPolicyFile } from "../../cli/policy_file.ts";
import { codeOf } from "../../src/errors/mod.ts";
import type { PcrPolicy } from "../../src/policy/mod.ts";
import { digest, firmware, policyOf } from "../policy/policies.ts";
import { TempDir } from "../support/temp_dir.ts";

const policies: fc.Arbitrary<PcrPolicy> = fc.record({
  pcrs: fc.dictionary(
    fc.nat(23).map(String),
    fc.oneof(fc.constant("any" as const), fc.uniqueArray(fc.nat(255).map(digest), { minLength: 1 })),
    { minKeys: 1, noNullPrototype: true },
  ),
  labels: fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9._:@=/-]{1,20}$/), { maxLength: 4 }),
  more: fc.constantFrom<Partial<PcrPolicy>>({}, { firmware: [firmware, "0000000000000000"] }, {
    retired: true,
  }),
  description: fc.string({ maxLength: 40 }),
}).map(({ pcrs, labels, more, description }) => policyOf({ pcrs, labels, description, ...more }));

Deno.test("formatPolicy() writes YAML and JSON that readPolicyFile() takes back as it was", async () => {
  await using folder = await TempDir.make("policy");
  await fc.assert(
    fc.asyncProperty(policies, fc.boolean(), async (policy, json) => {
      const path = folder.file(json ? "policy.json" : "policy.yaml");
      await Deno.writeTextFile(path, formatPolicy(policy, json));
      assert.deepEqual(await readPolicyFile(path), policy);
    }),
    { numRuns: 60 },
  );
});

Deno.test("formatPolicy() says what each PCR measures", () => {
  assert.equal(
    formatPolicy(policyOf(), false),
    `name: "factory"
version: 1
# Machines that have all of these labels; a machine's agent id is a label of it. None: every machine.
labels: []
bank: sha256
# The exact PCRs that have to be quoted, with what each may hold; any: whatever it holds.
pcrs:
  "0": # firmware code
    - "${digest(1)}"
  "7": any # secure boot: its state, keys and what it let pass
`,
  );
});

Deno.test("readPolicyFile() takes PCRs without quotes, and names the file and what is wrong", async () => {
  await using folder = await TempDir.make("policy");
  const path = folder.file("policy.yaml");
  const read = async (text: string) => {
    await Deno.writeTextFile(path, text);
    return await readPolicyFile(path);
  };
  const head = "name: x\nversion: 1\nlabels: []\nbank: sha256\n";
  assert.deepEqual((await read(`${head}pcrs:\n  7: any\n`)).pcrs, { "7": "any" });
  const refused: [text: string, code: string, message: RegExp][] = [
    [
      `${head}pcrs: {7: [${"1".repeat(64)}]}`,
      "policy_invalid",
      /policy\.yaml: pcrs\.7: must be "any".*in quotes/,
    ],
    [`${head}pcrs: {7: any}\nextra: 1`, "policy_invalid", /Unrecognized key/],
    [`${head}pcrs: {7: any`, "config_syntax_invalid", /policy\.yaml:\d+/],
    [`${head}pcrs: {7: &a any}`, "config_syntax_invalid", /anchors/],
    ["", "policy_invalid", /policy\.yaml: the document/],
  ];
  for (const [text, code, message] of refused) {
    await assert.rejects(read(text), (error) => {
      assert.equal(codeOf(error), code, String(error));
      assert.match((error as Error).message, message);
      return true;
    });
  }
  await assert.rejects(readPolicyFile(folder.file("none")), { code: "config_file_unreadable" });
});
