/** The judge of TPM evidence against a real software TPM: what its counters and clock really do. */
import assert from "node:assert/strict";
import { openTpm, TpmProvider } from "../../agent/tpm/mod.ts";
import type { EvidencePurpose } from "../../src/attestation/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { Swtpm } from "../support/swtpm.ts";
import { enrollMachine } from "./machines.ts";
import { answerFor, assertProblem, type Control, openControl } from "./support.ts";

const anonymous = { config: { anonymousTunnels: true } };

const open = (tpm: Swtpm) =>
  openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom });

async function attest(control: Control, tpm: Swtpm, purpose: EvidencePurpose = "channel-open") {
  const stage0 = (await control.post("/tunnels/create", {})).json.ephemeral_token;
  const provider = new TpmProvider(await open(tpm));
  return await control.post("/attest/evidence", await answerFor(control, provider, stage0, purpose));
}

async function enrolled(control: Control, tpm: Swtpm): Promise<string> {
  const { agentId, akPublicBytes: akPublic, akName } = await open(tpm);
  return await enrollMachine(control.store, 1, ["rack"], { agentId, akPublic, akName });
}

async function stateOf(control: Control, agentId: string) {
  return JSON.parse((await control.store.machine(agentId))!.continuity!.value);
}

Deno.test("a real TPM's quotes continue each other through quotes, hibernation and resets", async () => {
  await using tpm = await Swtpm.start();
  await using control = await openControl(anonymous);
  const agentId = await enrolled(control, tpm);
  for (const purpose of ["channel-open", "channel-reauth", "channel-reauth"] as const) {
    assert.equal((await attest(control, tpm, purpose)).status, 200);
  }
  const before = (await stateOf(control, agentId)).clock;
  await tpm.restart();
  assert.equal((await attest(control, tpm, "channel-reauth")).status, 200);
  const hibernated = (await stateOf(control, agentId)).clock;
  assert.deepEqual(
    [hibernated.resetCount, hibernated.restartCount],
    [before.resetCount, before.restartCount + 1],
  );
  assert.ok(hibernated.clockMs >= before.clockMs);
  await tpm.reset();
  assertProblem(await attest(control, tpm, "channel-reauth"), 403, "attestation_reset");
  assertProblem(await attest(control, tpm, "channel-reauth"), 403, "attestation_failed_before");
  assert.equal((await attest(control, tpm)).status, 200);
  assert.equal((await stateOf(control, agentId)).clock.resetCount, before.resetCount + 1);
});

Deno.test("after a power cut a TPM's clock is not safe, and it is believed on a new channel all the same", async () => {
  await using tpm = await Swtpm.start();
  await using control = await openControl(anonymous);
  await enrolled(control, tpm);
  assert.equal((await attest(control, tpm)).status, 200);
  for (let n = 0; n < 3; n++) {
    await tpm.kill();
    await tpm.powerOn();
    assert.equal((await attest(control, tpm)).status, 200);
  }
});

Deno.test("a copy of a TPM that falls behind is refused, and so is one that was cleared", async () => {
  await using tpm = await Swtpm.start();
  await using control = await openControl(anonymous);
  const agentId = await enrolled(control, tpm);
  await using copy = await tpm.clone();
  await tpm.reset();
  assert.equal((await attest(control, tpm)).status, 200);
  assertProblem(await attest(control, copy), 403, "attestation_rollback");
  assert.equal((await attest(control, tpm)).status, 200, "the original opens a channel again");
  await tpm.tool("clear", "-c", "p");
  assertProblem(await attest(control, tpm), 403, "attestation_rollback");
  assert.equal((await stateOf(control, agentId)).failed, "attestation_rollback");
});

Deno.test("a policy is learnt from a real TPM, and a PCR that software extends fails it", async () => {
  await using tpm = await Swtpm.start();
  await using control = await openControl(anonymous);
  const agentId = await enrolled(control, tpm);
  await tpm.extend(7);
  assert.equal((await attest(control, tpm)).status, 200);
  const operator = await control.tokenOf("ops", "operator");
  const learnt = await control.post("/v1/policies/learn", { name: "racks", agent_id: agentId }, operator);
  assert.deepEqual(learnt.json.policy.pcrs["7"], [await tpm.pcr(7)]);
  const { json } = await control.post("/v1/policies", { policy: learnt.json.policy }, operator);
  assert.deepEqual(json.counts, { pass: 1, fail: 0, unknown: 0 });
  assert.equal((await attest(control, tpm, "channel-reauth")).status, 200);
  await tpm.extend(7);
  const refused = await attest(control, tpm, "channel-reauth");
  assertProblem(refused, 403, "pcr_value_refused");
  assert.match(refused.json.detail, /PCR 7/);
});
