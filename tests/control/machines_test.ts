import assert from "node:assert/strict";
import { MadeMachine, madeTrust, tokenFor } from "./made_machines.ts";
import { assertProblem, openControl } from "./support.ts";

const machines = ["one", "two", "three"].map((name) => new MadeMachine(name));
const [one] = machines;

async function opened() {
  const control = await openControl({ machineTrust: madeTrust });
  return { control, operator: await control.tokenOf("ops", "operator") };
}

Deno.test("GET /v1/machines pages machines for operators", async () => {
  const { control, operator } = await opened();
  await using _ = control;
  for (const machine of machines) {
    await machine.enroll(control, await tokenFor(control, { labels: ["prod"] }));
  }
  const ids = machines.map((machine) => machine.agentId).sort();
  const first = await control.get("/v1/machines?limit=2", operator);
  assert.equal(first.status, 200, JSON.stringify(first.json));
  assert.deepEqual(
    first.json.machines.map((machine: { agent_id: string }) => machine.agent_id),
    ids.slice(0, 2),
  );
  assert.equal(first.json.next, ids[1]);
  const rest = await control.get(`/v1/machines?limit=2&after=${first.json.next}`, operator);
  assert.deepEqual([rest.json.machines.length, rest.json.machines[0].agent_id, rest.json.next], [
    1,
    ids[2],
    undefined,
  ]);
  const { status, json } = await control.get(`/v1/machines/${one.agentId}`, operator);
  assert.equal(status, 200);
  assert.deepEqual(
    [json.agent_id, json.ek_sha256, json.labels, json.state, json.enrolled_at],
    [one.agentId, one.ekSha256, ["prod"], "active", "2026-01-01T00:00:00.000Z"],
  );
  assert.equal(json.tpm, undefined, "nothing is said of what is no certificate");
  assert.ok(json.ek_certificate.length > 0 && json.ak_public.length > 0);
  assertProblem(await control.get(`/v1/machines/agent-${"a".repeat(26)}`, operator), 404, "machine_unknown");
  assertProblem(await control.get("/v1/machines/nothing", operator), 400, "request_invalid");
  assertProblem(await control.get("/v1/machines?limit=0", operator), 400, "request_invalid");
  assertProblem(await control.post(`/v1/machines/${one.agentId}`, {}, operator), 405, "method_not_allowed");
});

Deno.test("every route of machines is for operators", async () => {
  const { control } = await opened();
  await using _ = control;
  const member = await control.tokenOf("alice");
  const asks = [
    (token?: string) => control.get("/v1/machines", token),
    (token?: string) => control.get(`/v1/machines/${one.agentId}`, token),
    (token?: string) => control.post("/v1/machines/revoke", { agent_id: one.agentId, reason: "r" }, token),
    (token?: string) => control.post("/v1/machines/restore", { agent_id: one.agentId }, token),
    (token?: string) => control.post("/v1/machines/delete", { agent_id: one.agentId }, token),
  ];
  for (const ask of asks) {
    assertProblem(await ask(), 401, "authorization_required");
    assertProblem(await ask(member), 403, "role_insufficient");
  }
});

Deno.test("POST /v1/machines/revoke keeps a machine out until it is restored, and tells the edge: machine_revoked", async () => {
  const { control, operator } = await opened();
  await using _ = control;
  const begun = (await control.post("/v1/enroll/begin", one.begin(await tokenFor(control)))).json;
  await one.enroll(control, await tokenFor(control, { labels: ["prod"] }));
  const revoke = (body: unknown) => control.post("/v1/machines/revoke", body, operator);
  const { status, json } = await revoke({ agent_id: one.agentId, reason: "stolen" });
  assert.deepEqual([status, json], [200, { revoked: true, agent_id: one.agentId, already: false }]);
  assert.deepEqual(control.deleted, [`${one.agentId} revoked`]);
  const again = await revoke({ ek_sha256: one.ekSha256, reason: "again" });
  assert.deepEqual(again.json, { revoked: true, agent_id: one.agentId, already: true });
  assert.equal(control.deleted.length, 2, "its channels are cut again");
  const shown = (await control.get(`/v1/machines/${one.agentId}`, operator)).json;
  assert.deepEqual([shown.state, shown.reason, shown.revoked_at], [
    "revoked",
    "stolen",
    "2026-01-01T00:00:00.000Z",
  ]);
  const token = await tokenFor(control);
  assertProblem(await one.enroll(control, token), 403, "machine_revoked");
  assertProblem(await control.post("/v1/enroll/finish", one.finish(begun)), 403, "machine_revoked");
  const restored = await control.post("/v1/machines/restore", { agent_id: one.agentId }, operator);
  assert.deepEqual([restored.status, restored.json], [200, { restored: true, agent_id: one.agentId }]);
  assertProblem(
    await control.post("/v1/machines/restore", { agent_id: one.agentId }, operator),
    409,
    "machine_not_revoked",
  );
  assert.deepEqual((await one.enroll(control, token)).json.labels, ["prod"]);
  const audit = (await control.store.auditEntries(100)).filter(({ action }) => /revoke|restore/.test(action));
  assert.deepEqual(audit.map(({ actor, action, outcome }) => `${actor} ${action} ${outcome}`).reverse(), [
    "ops machine.revoke ok",
    "ops machine.revoke ok",
    "ops machine.restore ok",
    "ops machine.restore machine_not_revoked",
  ]);
  for (const entry of audit) {
    assert.equal(entry.subject, one.agentId);
    assert.equal(entry.detail.ek_sha256, one.ekSha256);
  }
});

Deno.test("POST /v1/machines/revoke takes an EK that never came, and refuses an unknown agent id: machine_unknown", async () => {
  const { control, operator } = await opened();
  await using _ = control;
  const revoke = (body: unknown) => control.post("/v1/machines/revoke", body, operator);
  assertProblem(await revoke({ agent_id: one.agentId, reason: "r" }), 404, "machine_unknown");
  assert.deepEqual(control.deleted, []);
  assert.equal((await revoke({ ek_sha256: one.ekSha256, reason: "r" })).json.agent_id, one.agentId);
  assertProblem(await one.enroll(control, await tokenFor(control)), 403, "machine_revoked");
  const both = { agent_id: one.agentId, ek_sha256: one.ekSha256, reason: "r" };
  for (
    const body of [{ reason: "r" }, both, { agent_id: one.agentId }, { agent_id: one.agentId, reason: "" }]
  ) {
    assertProblem(await revoke(body), 400, "request_invalid");
  }
  const restore = { ek_sha256: one.ekSha256 };
  assert.equal((await control.post("/v1/machines/restore", restore, operator)).status, 200);
  assertProblem(await control.post("/v1/machines/restore", restore, operator), 404, "machine_unknown");
});

Deno.test("POST /v1/machines/delete forgets a revoked machine, which stays out: machine_active", async () => {
  const { control, operator } = await opened();
  await using _ = control;
  const remove = () => control.post("/v1/machines/delete", { agent_id: one.agentId }, operator);
  assertProblem(await remove(), 404, "machine_unknown");
  await one.enroll(control, await tokenFor(control));
  assertProblem(await remove(), 409, "machine_active");
  await control.post("/v1/machines/revoke", { agent_id: one.agentId, reason: "scrapped" }, operator);
  assert.deepEqual((await remove()).json, { deleted: true, agent_id: one.agentId });
  const [{ action, outcome, detail }] = await control.store.auditEntries(1);
  assert.deepEqual([action, outcome, detail], ["machine.delete", "ok", { ek_sha256: one.ekSha256 }]);
  assert.deepEqual((await control.get("/v1/machines", operator)).json, { machines: [] });
  assertProblem(await one.enroll(control, await tokenFor(control)), 403, "machine_revoked");
});
