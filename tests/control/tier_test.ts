import assert from "node:assert/strict";
import { boundKeyProvider } from "../../src/attestation/mod.ts";
import { verifyStage0 } from "../../src/identity/mod.ts";
import { enrollMachine } from "./machines.ts";
import { RogueMachine } from "./rogue_machine.ts";
import { answerFor, assertProblem, type Control, issuer, openControl } from "./support.ts";

const anonymous = { config: { anonymousTunnels: true } };
const vault = { requested_name: "vault", require_tier: "tpm" };

async function attest(control: Control, provider: Parameters<typeof answerFor>[1], stage0Token: string) {
  return await control.post("/attest/evidence", await answerFor(control, provider, stage0Token));
}

const boundKey = () => boundKeyProvider(new Uint8Array(32).fill(9));

Deno.test("require_tier is in the stage 0 token, and keeps agents with a bound key out: tier_too_weak", async () => {
  await using control = await openControl(anonymous);
  const machine = new RogueMachine(1);
  await enrollMachine(control.store, 1, [], machine.keys);
  const { json } = await control.post("/tunnels/create", vault);
  assert.equal(json.require_tier, "tpm");
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  assert.equal((await verifyStage0(json.ephemeral_token, control.keyset, expect)).require_tier, "tpm");
  assertProblem(await attest(control, await boundKey(), json.ephemeral_token), 403, "tier_too_weak");
  assert.equal((await attest(control, machine, json.ephemeral_token)).status, 200);
  assert.deepEqual((await control.store.agentsOf(json.tunnel_id)).map(({ agentId }) => agentId), [
    machine.agentId,
  ]);
});

Deno.test("a tunnel keeps the tier that it demands when a request says nothing of it", async () => {
  await using control = await openControl();
  const alice = await control.tokenOf("alice");
  const created = (await control.post("/tunnels/create", vault, alice)).json;
  for (const credential of [alice, created.recreate_token]) {
    const again = (await control.post("/tunnels/create", { requested_name: "vault" }, credential)).json;
    assert.deepEqual([again.tunnel_id, again.require_tier], [created.tunnel_id, "tpm"]);
  }
  assertProblem(await attest(control, await boundKey(), created.ephemeral_token), 403, "tier_too_weak");
  const { tunnels: [listed] } = (await control.get("/tunnels/list", alice)).json;
  assert.deepEqual([listed.require_tier, listed.tiers], ["tpm", []]);
});

Deno.test("any agent may demand more, only the owner less: require_tier_locked", async () => {
  await using control = await openControl();
  const alice = await control.tokenOf("alice");
  const created = (await control.post("/tunnels/create", { requested_name: "vault" }, alice)).json;
  const ask = async (require_tier: string, credential: string) =>
    await control.post("/tunnels/create", { requested_name: "vault", require_tier }, credential);
  assert.equal((await ask("tpm", created.recreate_token)).json.require_tier, "tpm");
  assert.deepEqual(control.deleted, [`${created.tunnel_id} demands tpm`]);
  assertProblem(await ask("bound-key", created.recreate_token), 403, "require_tier_locked");
  assertProblem(await ask("bound-key", await control.tokenOf("bob")), 409, "name_taken");
  assert.equal((await ask("bound-key", alice)).json.require_tier, undefined);
  assert.equal((await control.store.tunnel(created.tunnel_id))?.requireTier, undefined);
  const lines = (await control.store.auditEntries(9)).filter(({ action }) => action === "tunnel.tier");
  assert.deepEqual(lines.map(({ detail }) => detail.require_tier), ["none", "tpm"]);
});

Deno.test("an anonymous tunnel is its recreate token's holder's", async () => {
  await using control = await openControl(anonymous);
  const created = (await control.post("/tunnels/create", vault)).json;
  const looser = await control.post("/tunnels/create", { require_tier: "bound-key" }, created.recreate_token);
  assert.equal(looser.status, 200);
  assert.equal((await control.post("/tunnels/create", { ...vault, require_tier: "none" })).status, 400);
});
