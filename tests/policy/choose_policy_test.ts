import assert from "node:assert/strict";
import fc from "fast-check";
import { choosePolicy, policiesInForce, rivalOf, sameLabels, selectionFor } from "../../src/policy/mod.ts";
import { digest, policyOf } from "./policies.ts";

const machine = { agentId: "agent-1", labels: ["rack=7", "site=berlin"] };
const named = (name: string, labels: string[], more = {}) => policyOf({ name, labels, ...more });

const labels = fc.uniqueArray(fc.constantFrom<string[]>("a", "b", "c", "agent-1", "agent-2"));
const policies = fc.uniqueArray(
  fc.record({ name: fc.constantFrom("p", "q", "r", "s", "t"), labels, retired: fc.boolean() }),
  { selector: ({ name }) => name },
).map((list) =>
  list.map(({ name, labels, retired }) => policyOf({ name, labels, ...retired ? { retired: true } : {} }))
);
const machines = fc.record({ agentId: fc.constant("agent-1"), labels });

Deno.test("choosePolicy() takes the policy that asks for most labels, the machine's own id before all", () => {
  const all = named("all", []);
  const berlin = named("berlin", ["site=berlin"]);
  const rack = named("rack", ["site=berlin", "rack=7"]);
  const own = named("own", ["agent-1"]);
  const paris = named("paris", ["site=paris", "rack=7", "x"]);
  assert.equal(choosePolicy(machine, [paris]), undefined);
  assert.equal(choosePolicy(machine, [all, paris]), all);
  assert.equal(choosePolicy(machine, [all, berlin, paris]), berlin);
  assert.equal(choosePolicy(machine, [rack, all, berlin]), rack);
  assert.equal(choosePolicy(machine, [rack, own, berlin]), own);
  assert.equal(choosePolicy(machine, [{ ...rack, retired: true }, berlin]), berlin);
});

Deno.test("choosePolicy() does not depend on the order, and nothing that fits is more specific", () => {
  fc.assert(fc.property(machines, policies, fc.infiniteStream(fc.nat()), (machine, list, order) => {
    const chosen = choosePolicy(machine, list);
    const shuffled = list.map((policy) => ({ policy, at: order.next().value })).sort((a, b) => a.at - b.at);
    assert.equal(choosePolicy(machine, shuffled.map(({ policy }) => policy)), chosen);
    const fits = list.filter((policy) =>
      !policy.retired &&
      policy.labels.every((label) => label === machine.agentId || machine.labels.includes(label))
    );
    assert.equal(chosen === undefined, fits.length === 0);
    const rank = ({ labels }: typeof list[number]) => [labels.includes("agent-1") ? 1 : 0, labels.length];
    for (const other of fits) assert.ok(rank(other).join() <= rank(chosen!).join());
  }));
});

Deno.test("rivalOf() finds a conflict if and only if another policy is as specific", () => {
  fc.assert(fc.property(machines, policies, (machine, list) => {
    const found = rivalOf(machine, list);
    const chosen = choosePolicy(machine, list);
    const rest = list.filter((policy) => policy !== chosen);
    const next = choosePolicy(machine, rest);
    const size = (policy: typeof chosen) =>
      policy === undefined ? -1 : policy.labels.length + (policy.labels.includes("agent-1") ? 10 : 0);
    assert.equal(found !== undefined, next !== undefined && size(next) === size(chosen));
    if (found !== undefined) assert.notEqual(found.chosen, found.rival);
  }));
});

Deno.test("sameLabels() does not look at the order", () => {
  assert.ok(sameLabels(named("a", ["x", "y"]), named("b", ["y", "x"])));
  assert.ok(!sameLabels(named("a", ["x"]), named("b", ["y"])));
  assert.ok(!sameLabels(named("a", ["x"]), named("b", ["x", "y"])));
});

Deno.test("policiesInForce() accepts the version before until the window ends, and not at its end", () => {
  const before = policyOf({ pcrs: { "0": [digest(1)] } });
  const policy = policyOf({ version: 2, pcrs: { "0": [digest(2)], "4": "any" } });
  const at = (nowMs: number, change = {}) =>
    policiesInForce(machine, [{ policy, before, overlapUntilMs: 1_000, ...change }], nowMs);
  assert.deepEqual(at(999), { policies: [policy, before], isAssigned: true });
  assert.deepEqual(at(1_000), { policies: [policy], isAssigned: true });
  assert.deepEqual(at(0, { before: undefined }).policies, [policy]);
  assert.deepEqual(at(0, { before: { ...before, bank: "sha384" } }).policies, [policy]);
  assert.deepEqual(at(0, { before: { ...before, retired: true } }).policies, [policy]);
  assert.deepEqual(selectionFor(at(0)), { bank: "sha256", pcrs: [0, 4] });
  assert.deepEqual(selectionFor(at(0, { before: policyOf({ pcrs: { "14": "any" } }) })).pcrs, [0, 4, 14]);
});

Deno.test("policiesInForce() of a machine without a policy is the baseline, and says that nobody assigned it", () => {
  const applied = [{ policy: named("paris", ["site=paris"]), overlapUntilMs: 0 }];
  const { policies, isAssigned } = policiesInForce(machine, applied, 0);
  assert.deepEqual([policies.map(({ name }) => name), isAssigned], [["baseline"], false]);
});
