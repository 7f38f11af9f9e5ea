/** The short run; `deno task fuzz:tpm` is the long one. */
import assert from "node:assert/strict";
import { PosternError } from "../../../src/errors/mod.ts";
import { fuzz, FuzzFind, type FuzzTarget } from "../../support/fuzz.ts";
import { seeded } from "../../support/mutation.ts";
import { EK_FUZZ_TARGETS } from "../../support/ek_fuzz_targets.ts";
import { TPM_FUZZ_TARGETS } from "../../support/tpm_fuzz_targets.ts";

for (const target of [...TPM_FUZZ_TARGETS, ...EK_FUZZ_TARGETS]) {
  Deno.test(`${target.name} refuses broken messages with a code, or takes them for what they say`, () => {
    const mutations = target.name.startsWith("verify") ? 200 : 1000;
    const tally = fuzz([target], mutations, seeded(5)).get(target.name)!;
    assert.equal(tally.mutations, mutations);
    const refused = [...tally.refused.values()].reduce((sum, count) => sum + count, 0);
    assert.equal(tally.accepted + refused, mutations);
    assert.ok(refused > mutations / 20, `only ${refused} refused`);
  });
}

Deno.test("fuzz() reports what is neither refused nor right, with the message that did it", () => {
  const target = (
    read: FuzzTarget["read"],
  ) => [{ name: "parser()", seeds: [Uint8Array.of(1, 2, 3, 4)], read }];
  const crash = target(() => {
    throw new TypeError("x is undefined");
  });
  assert.throws(() => fuzz(crash, 10, seeded(1)), (error) => {
    assert.ok(error instanceof FuzzFind && error.cause instanceof TypeError);
    assert.match(error.message, /^parser\(\) fails on [0-9a-f]*$/);
    return true;
  });
  const wrong = target((message, seed) => assert.deepEqual(message, seed));
  assert.throws(() => fuzz(wrong, 100, seeded(1)), FuzzFind);
  const refuses = target(() => {
    throw new PosternError("tpm_structure_malformed");
  });
  assert.equal(fuzz(refuses, 10, seeded(1)).get("parser()")!.refused.get("tpm_structure_malformed"), 10);
});
