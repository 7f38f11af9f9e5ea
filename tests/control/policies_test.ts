import assert from "node:assert/strict";
import type { PcrPolicy } from "../../src/policy/mod.ts";
import { digest, firmware, policyOf } from "../policy/policies.ts";
import { enrollMachine, machineId, rememberShown } from "./machines.ts";
import { assertProblem, channelFields, type Control, openControl } from "./support.ts";

const valuesOf = (n: number) => Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => [pcr, digest(n)]));
const token = (control: Control) => control.tokenOf("ops", "operator");
const apply = async (control: Control, policy: unknown, more: Record<string, unknown> = {}) =>
  await control.post("/v1/policies", { policy, ...more }, await token(control));
const learn = async (control: Control, request: Record<string, unknown>) =>
  await control.post("/v1/policies/learn", request, await token(control));
const racks = (change: Partial<PcrPolicy> = {}) => policyOf({ name: "racks", labels: ["rack"], ...change });

/** Machines 1 and 2 with the label rack have shown values; 3 has another label, 4 has shown nothing. */
async function openFleet(options: Parameters<typeof openControl>[0] = {}): Promise<Control> {
  const control = await openControl({ config: { anonymousTunnels: true }, ...options });
  await enrollMachine(control.store, 1, ["rack"]);
  await enrollMachine(control.store, 2, ["rack", "gpu"]);
  await enrollMachine(control.store, 3, ["desk"]);
  await enrollMachine(control.store, 4, ["rack"]);
  for (const n of [1, 2, 3]) await rememberShown(control.store, machineId(n), valuesOf(n));
  return control;
}

async function challengeOf(control: Control, n: number) {
  const stage0_token = (await control.post("/tunnels/create", {})).json.ephemeral_token;
  return await control.post("/attest/challenge", { stage0_token, ...channelFields, agent_id: machineId(n) });
}

Deno.test("POST /v1/policies applies a policy, tells who passes, and it counts from the next challenge on", async () => {
  await using control = await openFleet();
  const before = (await challengeOf(control, 1)).json;
  assert.deepEqual([before.policy_version, before.pcr_selection.pcrs.length], ["baseline@1", 8]);
  const { status, json } = await apply(control, racks());
  assert.equal(status, 200, JSON.stringify(json));
  assert.deepEqual([json.policy_version, json.applied], ["racks@1", true]);
  assert.deepEqual(json.counts, { pass: 1, fail: 1, unknown: 1 });
  assert.deepEqual(
    json.machines.map(({ agent_id, before, after, outcome, pcrs }: Record<string, unknown>) => [
      agent_id,
      before,
      after,
      outcome,
      pcrs,
    ]),
    [
      [machineId(2), "baseline@1", "racks@1", "fail", [0]],
      [machineId(4), "baseline@1", "racks@1", "unknown", []],
      [machineId(1), "baseline@1", "racks@1", "pass", []],
    ],
  );
  const { json: challenge } = await challengeOf(control, 1);
  assert.equal(challenge.policy_version, "racks@1");
  assert.deepEqual(challenge.pcr_selection, { bank: "sha256", pcrs: [0, 7] });
  assert.equal((await challengeOf(control, 3)).json.policy_version, "baseline@1");
  assert.equal((await challengeOf(control, 9)).json.policy_version, "default@1");
  const line = (await control.store.auditEntries(9)).find(({ action }) => action === "policy.apply")!;
  assert.deepEqual([line.actor, line.subject], ["ops", "racks@1"]);
});

Deno.test("POST /v1/policies with dry_run changes nothing", async () => {
  await using control = await openFleet();
  const { json } = await apply(control, racks(), { dry_run: true });
  assert.deepEqual([json.applied, json.counts.pass], [false, 1]);
  assert.deepEqual((await control.get("/v1/policies", await token(control))).json, { policies: [] });
  assert.equal((await apply(control, racks())).status, 200);
});

Deno.test("POST /v1/policies takes the next version only: policy_version_conflict", async () => {
  await using control = await openFleet();
  assertProblem(await apply(control, racks({ version: 2 })), 409, "policy_version_conflict");
  assert.equal((await apply(control, racks())).status, 200);
  for (const version of [1, 3]) {
    assertProblem(await apply(control, racks({ version })), 409, "policy_version_conflict");
  }
  const both = await Promise.all([2, 2].map((version) => apply(control, racks({ version }))));
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409]);
});

Deno.test("POST /v1/policies refuses what would leave the choice open: policy_conflict", async () => {
  await using control = await openFleet();
  assert.equal((await apply(control, racks())).status, 200);
  assertProblem(await apply(control, racks({ name: "other" })), 409, "policy_conflict");
  // Machine 2 has both labels, and neither policy asks for more than the other.
  assertProblem(
    await apply(control, policyOf({ name: "gpus", labels: ["gpu"] })),
    409,
    "policy_conflict",
  );
  for (const [name, labels] of [["both", ["gpu", "rack"]], ["desks", ["desk"]], ["all", []]] as const) {
    assert.equal((await apply(control, policyOf({ name, labels: [...labels] }))).status, 200);
  }
  assert.equal((await challengeOf(control, 2)).json.policy_version, "both@1");
  assert.equal((await apply(control, racks({ version: 2, retired: true }))).status, 200);
  assert.equal((await apply(control, policyOf({ name: "racks-2", labels: ["rack"] }))).status, 200);
  assert.equal((await challengeOf(control, 1)).json.policy_version, "racks-2@1");
});

Deno.test("POST /v1/policies with an overlap keeps the version before until its end: policy_changed", async () => {
  await using control = await openFleet();
  await apply(control, racks({ pcrs: { "0": "any" } }));
  assertProblem(
    await apply(control, racks({ version: 2, bank: "sha384", pcrs: { "0": "any" } }), { overlap_seconds: 9 }),
    409,
    "policy_overlap_impossible",
  );
  const answered = async (challengeId: string) =>
    (await control.post("/attest/evidence", { challenge_id: challengeId, evidence: { kind: "sgx" } })).json
      .code;
  const [first, second] = [await challengeOf(control, 1), await challengeOf(control, 1)];
  await apply(control, racks({ version: 2, pcrs: { "7": "any" } }), { overlap_seconds: 5 });
  const during = (await challengeOf(control, 1)).json;
  assert.deepEqual([during.policy_version, during.pcr_selection.pcrs], ["racks@2", [0, 7]]);
  assert.equal(await answered(first.json.challenge_id), "evidence_kind_unsupported");
  control.clock.advance(5_000);
  assert.equal(await answered(second.json.challenge_id), "policy_changed");
  assert.deepEqual((await challengeOf(control, 1)).json.pcr_selection.pcrs, [7]);
  assertProblem(
    await apply(control, policyOf({ name: "new", labels: ["new"] }), { overlap_seconds: 5 }),
    409,
    "policy_overlap_impossible",
  );
});

Deno.test("POST /v1/policies holds the limit of names: policy_limit_reached", async () => {
  await using control = await openControl({
    config: { rates: { ...(await openControl()).deps.config.rates, manage: { perMinute: 1e9, burst: 1e9 } } },
  });
  for (let n = 0; n < 256; n++) {
    const body = JSON.stringify(policyOf({ name: `p${n}`, labels: [`l${n}`] }));
    const record = { name: `p${n}`, version: 1, body, appliedBy: "ops", appliedAtMs: 0, overlapUntilMs: 0 };
    await control.store.applyPolicy(record, await control.store.policyRevision(), 999);
  }
  assertProblem(await apply(control, racks()), 409, "policy_limit_reached");
  assert.equal((await apply(control, policyOf({ name: "p7", version: 2, labels: ["rack"] }))).status, 200);
});

Deno.test("POST /v1/policies/learn allows what machines showed; applied as it is, they pass", async () => {
  await using control = await openFleet();
  const { status, json } = await learn(control, { name: "racks", label: "rack", firmware: true });
  assert.equal(status, 200, JSON.stringify(json));
  assert.deepEqual(json.policy.pcrs["3"], [digest(1), digest(2)]);
  assert.deepEqual([json.policy.version, json.policy.labels, json.policy.firmware], [1, ["rack"], [
    firmware,
  ]]);
  assert.deepEqual(json.learnt_from.sort(), [machineId(1), machineId(2)].sort());
  assert.deepEqual(json.passed_over, [machineId(4)]);
  const applied = (await apply(control, json.policy)).json;
  assert.deepEqual(applied.counts, { pass: 2, fail: 0, unknown: 1 });
  assert.equal((await learn(control, { name: "racks", label: "rack" })).json.policy.version, 2);
});

Deno.test("POST /v1/policies/learn of one machine names its agent id, which outranks every label", async () => {
  await using control = await openFleet();
  await apply(control, racks());
  const { json } = await learn(control, { name: "one", agent_id: machineId(2), pcrs: [7, 0, 7] });
  assert.deepEqual(json.policy.labels, [machineId(2)]);
  assert.deepEqual(Object.keys(json.policy.pcrs), ["0", "7"]);
  await apply(control, json.policy);
  assert.equal((await challengeOf(control, 2)).json.policy_version, "one@1");
});

Deno.test("POST /v1/policies/learn refuses what it cannot learn from: machine_unknown, policy_values_missing", async () => {
  await using control = await openFleet();
  assertProblem(await learn(control, { name: "x", agent_id: machineId(9) }), 404, "machine_unknown");
  assertProblem(await learn(control, { name: "x", agent_id: machineId(4) }), 409, "policy_values_missing");
  const unlabelled = await learn(control, { name: "x", label: "none" });
  assertProblem(unlabelled, 409, "policy_values_missing");
  assert.match(JSON.stringify(unlabelled.json), /no machine has the label none/);
  assertProblem(
    await learn(control, { name: "x", label: "rack", pcrs: [0, 14] }),
    409,
    "policy_values_missing",
  );
  for (const wrong of [{}, { label: "rack", agent_id: machineId(1) }, { label: "rack", name: "default" }]) {
    assertProblem(await learn(control, { name: "x", ...wrong }), 400, "request_invalid");
  }
  await control.store.revokeMachine({ agentId: machineId(1) }, { atMs: 1, reason: "lost" });
  assertProblem(await learn(control, { name: "x", agent_id: machineId(1) }), 404, "machine_unknown");
});

Deno.test("GET /v1/policies lists the newest versions, GET /v1/policies/{name} all of one: policy_not_found", async () => {
  await using control = await openFleet();
  await apply(control, racks());
  await apply(control, racks({ version: 2, description: "second" }), { overlap_seconds: 60 });
  const operator = await token(control);
  const { policies } = (await control.get("/v1/policies", operator)).json;
  const overlap_until = new Date(control.clock.wall() + 60_000).toISOString();
  const applied = { applied_by: "ops", applied_at: new Date(control.clock.wall()).toISOString() };
  const facts = {
    bank: "sha256",
    pcrs: [0, 7],
    labels: ["rack"],
    firmware: false,
    retired: false,
    machines: 3,
  };
  assert.deepEqual(policies, [{ name: "racks", version: 2, ...applied, overlap_until, ...facts }]);
  const versions = [{ version: 2, ...applied, overlap_until }, { version: 1, ...applied }];
  const show = async (query = "") => (await control.get(`/v1/policies/racks${query}`, operator)).json;
  assert.deepEqual(await show(), { policy: racks({ version: 2, description: "second" }), versions });
  assert.deepEqual(await show("?version=1"), { policy: racks(), versions });
  assertProblem(await control.get("/v1/policies/racks?version=3", operator), 404, "policy_not_found");
  assertProblem(await control.get("/v1/policies/none", operator), 404, "policy_not_found");
});

Deno.test("policy routes are for operators: authorization_required, role_insufficient", async () => {
  await using control = await openFleet();
  const member = await control.tokenOf("alice");
  for (const bearer of [undefined, member]) {
    const [status, code] = bearer === undefined
      ? [401, "authorization_required"] as const
      : [403, "role_insufficient"] as const;
    assertProblem(await control.get("/v1/policies", bearer), status, code);
    assertProblem(await control.get("/v1/policies/racks", bearer), status, code);
    assertProblem(await control.post("/v1/policies", { policy: racks() }, bearer), status, code);
    assertProblem(
      await control.post("/v1/policies/learn", { name: "x", label: "rack" }, bearer),
      status,
      code,
    );
  }
});

Deno.test("POST /v1/policies refuses documents out of form, and members that nobody knows", async () => {
  await using control = await openFleet();
  assertProblem(await apply(control, racks({ pcrs: {} })), 400, "policy_invalid");
  assertProblem(await apply(control, { ...racks(), prcs: {} }), 400, "policy_invalid");
  assertProblem(await apply(control, racks(), { overlap: 5 }), 400, "request_invalid");
  assertProblem(await apply(control, racks(), { overlap_seconds: 2_592_001 }), 400, "request_invalid");
});

Deno.test("with a policy required, a machine without one is not even asked: policy_missing", async () => {
  await using control = await openFleet({ requirePolicy: true });
  await apply(control, racks());
  assert.equal((await challengeOf(control, 1)).status, 200);
  assertProblem(await challengeOf(control, 3), 403, "policy_missing");
  assert.equal((await challengeOf(control, 9)).json.policy_version, "default@1");
});

Deno.test("a policy of another program lets nobody in: store_failed", async () => {
  await using control = await openFleet();
  const record = { name: "x", version: 1, body: "{}", appliedBy: "ops", appliedAtMs: 0, overlapUntilMs: 0 };
  await control.store.applyPolicy(record, 0, 9);
  assertProblem(await challengeOf(control, 1), 503, "store_failed");
});
