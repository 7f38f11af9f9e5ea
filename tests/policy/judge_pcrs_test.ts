import assert from "node:assert/strict";
import fc from "fast-check";
import { baseline, doubtOf, judgePcrs, type PcrValues } from "../../src/policy/mod.ts";
import { digest, firmware, policyOf } from "./policies.ts";

const shown: PcrValues = { bank: "sha256", values: { "0": digest(1), "7": digest(9) } };

Deno.test("judgePcrs() gives the policy that is satisfied, the newest first", () => {
  const old = policyOf();
  const young = policyOf({ version: 2, pcrs: { "0": [digest(2)] } });
  assert.equal(judgePcrs([old], shown, firmware), old);
  assert.equal(judgePcrs([young, old], shown, firmware), old);
  const both = policyOf({ version: 2, pcrs: { "0": [digest(2), digest(1)] } });
  assert.equal(judgePcrs([both, old], shown, firmware), both);
});

Deno.test("judgePcrs() takes any value where the policy says any, but the PCR has to be there: pcr_not_covered", () => {
  const covered = { bank: "sha256", values: { "0": digest(1) } } as const;
  assert.throws(() => judgePcrs([policyOf()], covered, firmware), {
    code: "pcr_not_covered",
    detail: { policy: "factory@1", pcrs: "7" },
  });
  assert.throws(() => judgePcrs([baseline], shown, firmware), { code: "pcr_not_covered" });
  const otherBank = { ...shown, bank: "sha384" } as const;
  assert.throws(() => judgePcrs([policyOf()], otherBank, firmware), { code: "pcr_not_covered" });
});

Deno.test("judgePcrs() refuses a digest that is not listed and names the PCR: pcr_value_refused", () => {
  const changed = { ...shown, values: { ...shown.values, "0": digest(3) } };
  assert.throws(() => judgePcrs([policyOf()], changed, firmware), {
    code: "pcr_value_refused",
    detail: { policy: "factory@1", pcrs: "0" },
  });
});

Deno.test("judgePcrs() holds the firmware to the list: firmware_refused", () => {
  const policy = policyOf({ firmware: ["2020052100162801"] });
  assert.throws(() => judgePcrs([policy], shown, firmware), { code: "firmware_refused" });
  assert.equal(judgePcrs([{ ...policy, firmware: [firmware] }], shown, firmware).name, "factory");
});

Deno.test("judgePcrs() of no policy at all is a refusal: policy_missing", () => {
  assert.throws(() => judgePcrs([], shown, firmware), { code: "policy_missing" });
});

Deno.test("judgePcrs() passes values if and only if a policy lists each of them", () => {
  const digests = fc.nat(2).map(digest);
  const allowed = fc.oneof(fc.constant("any" as const), fc.uniqueArray(digests, { minLength: 1 }));
  const policies = fc.array(
    fc.dictionary(fc.constantFrom("0", "4", "7"), allowed, { minKeys: 1, noNullPrototype: true })
      .map((pcrs) => policyOf({ pcrs })),
    { maxLength: 2 },
  );
  const values = fc.dictionary(fc.constantFrom("0", "4", "7"), digests, { noNullPrototype: true });
  fc.assert(fc.property(policies, values, (policies, values) => {
    const quote = { bank: "sha256", values } as const;
    const satisfied = policies.filter(({ pcrs }) =>
      Object.entries(pcrs).every(([pcr, allowed]) =>
        values[pcr] !== undefined && (allowed === "any" || allowed.includes(values[pcr]))
      )
    );
    if (satisfied.length === 0) assert.throws(() => judgePcrs(policies, quote, firmware));
    else assert.equal(judgePcrs(policies, quote, firmware), satisfied[0]);
    for (const policy of policies) {
      assert.equal(doubtOf(policy, quote, firmware) === undefined, satisfied.includes(policy));
    }
  }));
});
