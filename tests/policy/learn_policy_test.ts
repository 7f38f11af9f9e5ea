import assert from "node:assert/strict";
import { judgePcrs, learnPolicy, type Observation, policyChanges } from "../../src/policy/mod.ts";
import { digest, firmware, policyOf } from "./policies.ts";

const seen = (agentId: string, values: Record<string, string>, change: Partial<Observation> = {}) => ({
  agentId,
  pcrs: { bank: "sha256", values },
  firmware,
  ...change,
} as const);
const request = {
  name: "racks",
  version: 3,
  selection: { bank: "sha256", pcrs: [0, 7] },
  labels: ["rack"],
  withFirmware: false,
} as const;
const ask = { ...request, selection: { ...request.selection, pcrs: [0, 7] } };

Deno.test("learnPolicy() allows what the machines showed, and nothing else", () => {
  const machines = [
    seen("agent-a", { "0": digest(1), "7": digest(7), "9": digest(9) }),
    seen("agent-b", { "0": digest(2), "7": digest(7) }, { firmware: "0000000000000001" }),
    seen("agent-c", { "0": digest(3) }),
    { ...seen("agent-d", { "0": digest(4), "7": digest(4) }), pcrs: { bank: "sha384" as const, values: {} } },
  ];
  const learnt = learnPolicy(ask, machines);
  assert.deepEqual(learnt.policy, {
    name: "racks",
    version: 3,
    bank: "sha256",
    pcrs: { "0": [digest(1), digest(2)], "7": [digest(7)] },
    labels: ["rack"],
  });
  assert.deepEqual([learnt.learntFrom, learnt.passedOver], [["agent-a", "agent-b"], ["agent-c", "agent-d"]]);
  for (const one of machines.slice(0, 2)) judgePcrs([learnt.policy], one.pcrs, one.firmware);
  assert.throws(() => judgePcrs([learnt.policy], machines[2].pcrs, firmware));
  const withFirmware = learnPolicy({ ...ask, withFirmware: true }, machines).policy.firmware;
  assert.deepEqual(withFirmware, ["0000000000000001", firmware]);
});

Deno.test("learnPolicy() refuses to make a policy out of nothing: policy_values_missing", () => {
  assert.throws(() => learnPolicy(ask, []), { code: "policy_values_missing" });
  assert.throws(() => learnPolicy(ask, [seen("agent-a", { "0": digest(1) })]), {
    code: "policy_values_missing",
  });
});

Deno.test("learnPolicy() refuses more values than a policy may list: policy_values_too_many", () => {
  const machines = Array.from(
    { length: 65 },
    (_, n) => seen(`agent-${n}`, { "0": digest(n), "7": digest(1) }),
  );
  assert.throws(() => learnPolicy(ask, machines), { code: "policy_values_too_many" });
  assert.equal(learnPolicy(ask, machines.slice(1)).policy.pcrs["0"].length, 64);
});

Deno.test("policyChanges() names what is added and removed, PCR by PCR", () => {
  const before = policyOf({ labels: ["a"] });
  const after = policyOf({
    version: 2,
    pcrs: { "0": [digest(1), digest(2)], "10": "any" },
    firmware: [firmware],
    labels: ["a", "b"],
  });
  assert.deepEqual(policyChanges(before, after), [
    { what: "labels", removed: [], added: ["b"] },
    { what: "PCR 0", removed: [], added: [digest(2)] },
    { what: "PCR 7", removed: ["any"], added: [] },
    { what: "PCR 10", removed: [], added: ["any"] },
    { what: "firmware", removed: ["any"], added: [firmware] },
  ]);
  assert.deepEqual(policyChanges(before, before), []);
  assert.deepEqual(policyChanges(before, { ...before, retired: true }), [
    { what: "retired", removed: [], added: ["yes"] },
  ]);
  assert.equal(policyChanges(undefined, before).length, 5);
});
