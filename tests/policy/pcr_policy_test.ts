import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import { baseline, readPolicy, selectionOf, versionOf } from "../../src/policy/mod.ts";
import { digest, firmware, policyOf } from "./policies.ts";

Deno.test("readPolicy() takes a whole policy as it is", () => {
  const policy = policyOf({ firmware: [firmware], description: "racks of 2026", labels: ["site=berlin"] });
  assert.deepEqual(readPolicy(JSON.parse(JSON.stringify(policy))), policy);
  assert.equal(versionOf(policy), "factory@1");
});

Deno.test("selectionOf() is the policy's exact set, ascending by number", () => {
  const pcrs = { "10": "any", "7": "any", "0": "any" } as const;
  assert.deepEqual(selectionOf(policyOf({ pcrs })), { bank: "sha256", pcrs: [0, 7, 10] });
  assert.deepEqual(selectionOf(baseline), { bank: "sha256", pcrs: [0, 1, 2, 3, 4, 5, 6, 7] });
});

Deno.test("readPolicy() names what is out of form: policy_invalid", () => {
  const wrong: [change: Record<string, unknown>, message: RegExp][] = [
    [{ name: "Factory" }, /name: must be 1 to 63/],
    [{ name: "baseline" }, /name: must not be that of a built-in/],
    [{ version: 0 }, /version: /],
    [{ version: undefined }, /version: /],
    [{ bank: "sha1" }, /bank: /],
    [{ pcrs: {} }, /pcrs: must name a PCR/],
    [{ pcrs: { "24": "any" } }, /pcrs/],
    [{ pcrs: { "07": "any" } }, /pcrs/],
    [{ pcrs: { "0": [] } }, /pcrs\.0: Too small/],
    [{ pcrs: { "0": ["*"] } }, /pcrs\.0/],
    [{ pcrs: { "0": null } }, /pcrs\.0/],
    [{ pcrs: { "0": [digest(1).toUpperCase().replace("0", "A")] } }, /pcrs\.0/],
    [{ pcrs: { "0": [digest(1), digest(1)] } }, /pcrs\.0/],
    [{ pcrs: { "0": [digest(1).slice(2)] } }, /pcrs\.0: must hold digests of sha256: 64 hex digits/],
    [{ pcrs: { "0": [12345] } }, /pcrs\.0: .*in quotes/],
    [{ bank: "sha384" }, /pcrs\.0: must hold digests of sha384: 96 hex digits/],
    [{ firmware: [] }, /firmware/],
    [{ firmware: ["1.2"] }, /firmware\.0: must be 16/],
    [{ labels: undefined }, /labels/],
    [{ labels: ["a b"] }, /labels\.0/],
    [{ labels: ["a", "a"] }, /labels: must name each/],
    [{ retired: false }, /retired/],
    [{ prcs: {} }, /Unrecognized key/],
  ];
  for (const [change, message] of wrong) {
    assert.throws(() => readPolicy({ ...policyOf(), ...change }), (error) => {
      assert.equal(codeOf(error), "policy_invalid");
      assert.match((error as Error).message, message);
      return true;
    }, JSON.stringify(change));
  }
  assert.throws(() => readPolicy("factory"), { code: "policy_invalid" });
});

Deno.test("readPolicy() tells of a misspelt member before the one that is missing, and which PCRs there are", () => {
  const { pcrs, ...rest } = policyOf();
  assert.throws(() => readPolicy({ ...rest, pcr: pcrs }), { message: /Unrecognized key: "pcr"/ });
  assert.throws(() => readPolicy({ ...rest, pcrs: { "27": "any" } }), { message: /pcrs\.27: .*0 to 23/ });
});
