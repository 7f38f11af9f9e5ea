import assert from "node:assert/strict";
import fc from "fast-check";
import type { EvidencePurpose } from "../../src/attestation/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { verifyStage1 } from "../../src/identity/mod.ts";
import type { PcrPolicy } from "../../src/policy/mod.ts";
import type { Store } from "../../src/ports/mod.ts";
import type { MachineState } from "../../src/control/machine_state.ts";
import { digest, policyOf } from "../policy/policies.ts";
import { RogueTpm } from "../support/rogue_tpm.ts";
import { enrollMachine } from "./machines.ts";
import { RogueMachine } from "./rogue_machine.ts";
import {
  answerAgain,
  answerFor,
  assertProblem,
  channelFields,
  type Control,
  issuer,
  openControl,
} from "./support.ts";

const anonymous = { anonymousTunnels: true };

/** A control plane, and an enrolled machine with the label rack. */
async function openRack(options: Parameters<typeof openControl>[0] = {}) {
  const control = await openControl({ ...options, config: { ...anonymous, ...options.config } });
  const machine = new RogueMachine(1);
  await enrollMachine(control.store, 1, ["rack"], machine.keys);
  return { control, machine };
}

const stage0Of = async (control: Control): Promise<string> =>
  (await control.post("/tunnels/create", {})).json.ephemeral_token;

async function attest(control: Control, machine: RogueMachine, purpose: EvidencePurpose = "channel-open") {
  return await control.post(
    "/attest/evidence",
    await answerFor(control, machine, await stage0Of(control), purpose),
  );
}

async function apply(control: Control, change: Partial<PcrPolicy> = {}, overlapSeconds = 0) {
  const policy = policyOf({
    name: "racks",
    pcrs: { "0": [digest(0)], "7": "any" },
    labels: ["rack"],
    ...change,
  });
  const operator = await control.tokenOf("ops", "operator");
  const answer = await control.post("/v1/policies", { policy, overlap_seconds: overlapSeconds }, operator);
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
}

const stateOf = async (store: Store, { agentId }: RogueMachine) =>
  JSON.parse((await store.machine(agentId))?.continuity?.value ?? "null");

async function claimsOf(control: Control, answer: Awaited<ReturnType<typeof attest>>) {
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  return await verifyStage1(answer.json.stage1_token, control.keyset, expect);
}

Deno.test("a machine with a quote that its policy allows gets a stage 1 token of tier tpm", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const baseline = await claimsOf(control, await attest(control, machine));
  assert.deepEqual([baseline.tier, baseline.policy_version], ["tpm", "baseline@1"]);
  await apply(control);
  const claims = await claimsOf(control, await attest(control, machine));
  assert.deepEqual([claims.tier, claims.agent_id, claims.policy_version], [
    "tpm",
    machine.agentId,
    "racks@1",
  ]);
  assert.deepEqual(await stateOf(control.store, machine), {
    clock: { resetCount: 5, restartCount: 0, clockMs: 1_001, firmware: "2020052100162800" },
    shown: {
      bank: "sha256",
      values: { "0": digest(0), "7": digest(7) },
      firmware: "2020052100162800",
      at: control.clock.wall(),
    },
    verdict: { result: "ok", purpose: "channel-open", policy: "racks@1", at: control.clock.wall() },
  });
});

Deno.test("a machine that is not enrolled, or revoked, is refused: machine_not_enrolled, machine_revoked", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  assertProblem(await attest(control, new RogueMachine(2)), 403, "machine_not_enrolled");
  const open = await answerFor(control, machine, await stage0Of(control));
  await control.store.revokeMachine({ agentId: machine.agentId }, { atMs: 1, reason: "lost" });
  assertProblem(await control.post("/attest/evidence", open), 403, "machine_revoked");
});

Deno.test("a machine whose manufacturer is not believed any more is refused with that reason, until it is believed again", async () => {
  let isRevoked = false;
  const { control, machine } = await openRack({
    checkTrust: () => {
      if (isRevoked) throw new PosternError("ek_issuer_revoked");
    },
  });
  await using _ = control;
  assert.equal((await attest(control, machine)).status, 200);
  isRevoked = true;
  for (const purpose of ["channel-open", "channel-reauth"] as const) {
    assertProblem(await attest(control, machine, purpose), 403, "ek_issuer_revoked");
  }
  isRevoked = false;
  assert.equal((await attest(control, machine)).status, 200);
});

Deno.test("the key of the enrollment is the only one that counts, and evidence is bound to its challenge", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  assertProblem(await attest(control, new RogueMachine(1, new RogueTpm())), 403, "tpm_signature_invalid");
  const [first, second] = [
    await answerFor(control, machine, await stage0Of(control)),
    await answerFor(control, machine, await stage0Of(control)),
  ];
  const relayed = { challenge_id: first.challenge_id, evidence: second.evidence };
  assertProblem(await control.post("/attest/evidence", relayed), 403, "attest_nonce_wrong");
  assert.equal(await stateOf(control.store, machine), null, "what is not authentic changes nothing");
  const reauth = await answerFor(control, machine, await stage0Of(control), "channel-reauth");
  const taken = (await control.store.takeChallenge(reauth.challenge_id))!;
  await control.store.putChallenge(
    { ...taken, body: taken.body.replace("channel-reauth", "channel-open") },
    9,
  );
  assertProblem(await control.post("/attest/evidence", reauth), 403, "attest_nonce_wrong");
});

Deno.test("a quote covers exactly what was asked: quote_pcrs_missing, quote_pcrs_unasked", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const attestPcrs = async (pcrs: number[]) => {
    const other = new RogueMachine(1, machine.tpm);
    other.prove = (question) =>
      RogueMachine.prototype.prove.call(other, { ...question, pcrs: { bank: "sha256", pcrs } });
    return await attest(control, other);
  };
  assertProblem(await attestPcrs([0, 1, 2]), 403, "quote_pcrs_missing");
  assertProblem(await attestPcrs([0, 1, 2, 3, 4, 5, 6, 7, 8]), 403, "quote_pcrs_unasked");
});

Deno.test("a PCR or firmware that is not allowed is refused and named: pcr_value_refused, firmware_refused", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  await apply(control);
  machine.values.set(0, digest(99));
  const refused = await attest(control, machine);
  assertProblem(refused, 403, "pcr_value_refused");
  assert.match(refused.json.detail, /racks@1 does not allow what PCR 0 holds/);
  const [line] = await control.store.auditEntries(1);
  const { tier, asked, policy, pcrs } = line.detail;
  assert.deepEqual([line.actor, line.outcome], ["unproven", "pcr_value_refused"]);
  assert.deepEqual([tier, asked, policy, pcrs], ["tpm", machine.agentId, "racks@1", "0"]);
  const state = await stateOf(control.store, machine);
  assert.deepEqual([state.failed, state.verdict.result, state.shown.values["0"], state.clock], [
    "pcr_value_refused",
    "pcr_value_refused",
    digest(99),
    undefined,
  ]);
  machine.values.set(0, digest(0));
  await apply(control, { version: 2, firmware: ["0000000000000001"] });
  assertProblem(await attest(control, machine), 403, "firmware_refused");
  machine.firmware = 1n;
  assert.equal((await attest(control, machine)).status, 200);
  assert.equal((await stateOf(control.store, machine)).failed, undefined);
});

Deno.test("what a machine was refused for can be learnt, reviewed and applied", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  await apply(control);
  assert.equal((await attest(control, machine)).status, 200);
  machine.values.set(0, digest(42));
  assertProblem(await attest(control, machine), 403, "pcr_value_refused");
  const operator = await control.tokenOf("ops", "operator");
  const { json } = await control.post(
    "/v1/policies/learn",
    { name: "racks", label: "rack", pcrs: [0] },
    operator,
  );
  assert.deepEqual(json.policy.pcrs, { "0": [digest(42)] });
  const applied = await control.post("/v1/policies", { policy: json.policy }, operator);
  assert.deepEqual(applied.json.counts, { pass: 1, fail: 0, unknown: 0 });
  assert.equal((await attest(control, machine)).status, 200);
});

Deno.test("a reset needs a new channel, and a failure holds until then: attestation_reset, attestation_failed_before", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  assert.equal((await attest(control, machine)).status, 200);
  assert.equal((await attest(control, machine, "channel-reauth")).status, 200);
  machine.clock = { ...machine.clock, resetCount: 6, clockMs: 10 };
  assertProblem(await attest(control, machine, "channel-reauth"), 403, "attestation_reset");
  machine.clock = { ...machine.clock, resetCount: 5, clockMs: 9_000 };
  assertProblem(await attest(control, machine, "channel-reauth"), 403, "attestation_failed_before");
  machine.clock = { ...machine.clock, resetCount: 6, clockMs: 20 };
  assertProblem(await attest(control, machine, "channel-reauth"), 403, "attestation_failed_before");
  assert.equal((await attest(control, machine)).status, 200);
  assert.equal((await attest(control, machine, "channel-reauth")).status, 200);
  assert.ok(control.logged.some((line) => line.includes("machine attested after a reset")));
});

Deno.test("a PCR that changed fails the re-authentication, and changing it back does not undo it", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  await apply(control);
  assert.equal((await attest(control, machine)).status, 200);
  machine.values.set(0, digest(9));
  assertProblem(await attest(control, machine, "channel-reauth"), 403, "pcr_value_refused");
  machine.values.delete(0);
  assertProblem(await attest(control, machine, "channel-reauth"), 403, "attestation_failed_before");
  assert.equal((await attest(control, machine, "channel-open")).status, 200);
  assert.equal((await attest(control, machine, "channel-reauth")).status, 200);
});

Deno.test("counters that go back are refused on both: attestation_rollback, firmware_changed", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  assert.equal((await attest(control, machine)).status, 200);
  const good = machine.clock;
  for (const purpose of ["channel-open", "channel-reauth"] as const) {
    for (const change of [{ resetCount: 4 }, { clockMs: 1 }]) {
      machine.clock = { ...good, ...change };
      assertProblem(await attest(control, machine, purpose), 403, "attestation_rollback");
      machine.clock = good;
      assert.equal((await attest(control, machine)).status, 200);
    }
  }
  machine.firmware += 1n;
  assertProblem(await attest(control, machine), 403, "firmware_changed");
});

Deno.test("safe is not looked at, and a clock that stands still is no rollback", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  for (let n = 0; n < 3; n++) {
    machine.clock = { resetCount: 5, restartCount: 0, clockMs: 1_000, safe: n === 1 };
    assert.equal((await attest(control, machine, "channel-reauth")).status, 200);
  }
});

Deno.test("channels of one machine are judged in any order, but no quote may be older than its question", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  assert.equal((await attest(control, machine)).status, 200);
  const answers = [];
  for (let n = 0; n < 3; n++) {
    answers.push(await answerFor(control, machine, await stage0Of(control), "channel-reauth"));
  }
  for (const answer of answers.reverse()) {
    assert.equal((await control.post("/attest/evidence", answer)).status, 200);
  }
  const { clock } = await stateOf(control.store, machine);
  assert.equal(clock.clockMs, 1_003, "the youngest one counts");
  machine.clock = { ...machine.clock, clockMs: 1_002 };
  assertProblem(await attest(control, machine, "channel-reauth"), 403, "attestation_rollback");
});

Deno.test("two judgements at once never pass on the same state", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  assert.equal((await attest(control, machine)).status, 200);
  const old = await answerFor(control, machine, await stage0Of(control), "channel-reauth");
  machine.clock = { ...machine.clock, resetCount: 6 };
  const young = await answerFor(control, machine, await stage0Of(control), "channel-open");
  const answers = await Promise.all([old, young].map((one) => control.post("/attest/evidence", one)));
  const { clock, failed } = await stateOf(control.store, machine);
  // Whoever was first: what began before the reset does not pass once the reset is known.
  assert.equal(answers[1].status, 200);
  assert.equal(clock.resetCount, 6);
  if (answers[0].status === 200) assert.equal(failed, undefined);
  else assert.equal(failed, answers[0].json.code);
});

Deno.test("a judgement that others overtake again and again gives up: attestation_raced", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const answer = await answerFor(control, machine, await stage0Of(control));
  const { advanceContinuity } = control.store;
  let attempts = 0;
  control.store.advanceContinuity = async (agentId, value, revision) => {
    attempts++;
    await advanceContinuity.call(control.store, agentId, value, revision);
    return await advanceContinuity.call(control.store, agentId, value, revision);
  };
  assertProblem(await control.post("/attest/evidence", answer), 503, "attestation_raced");
  assert.equal(attempts, 4);
});

Deno.test("a revocation in the middle of a judgement wins: machine_revoked", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const answer = await answerFor(control, machine, await stage0Of(control));
  const { advanceContinuity } = control.store;
  control.store.advanceContinuity = async (agentId, value, revision) => {
    await control.store.revokeMachine({ agentId }, { atMs: 1, reason: "lost" });
    return await advanceContinuity.call(control.store, agentId, value, revision);
  };
  assertProblem(await control.post("/attest/evidence", answer), 403, "machine_revoked");
});

Deno.test("an exception during judgement is a refusal that remembers nothing good", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const answer = await answerFor(control, machine, await stage0Of(control));
  const { machine: find } = control.store;
  let calls = 0;
  control.store.machine = (agentId) => {
    if (++calls === 2) throw new TypeError("cannot read properties of undefined");
    return find.call(control.store, agentId);
  };
  assertProblem(await control.post("/attest/evidence", answer), 500, "internal_error");
  assert.equal(await stateOf(control.store, machine), null);
  control.store.machine = find;
  const open = await answerFor(control, machine, await stage0Of(control));
  await control.store.advanceContinuity(machine.agentId, '{"of":"another program"}', 0);
  assertProblem(await control.post("/attest/evidence", open), 503, "store_failed");
});

Deno.test("within the window of an update either version passes, and the token says which", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  await apply(control);
  const before = await answerFor(control, machine, await stage0Of(control));
  await apply(control, { version: 2, pcrs: { "0": [digest(50)], "4": [digest(4)] } }, 60);
  assert.equal(
    (await claimsOf(control, await control.post("/attest/evidence", before))).policy_version,
    "racks@1",
  );
  assert.equal((await claimsOf(control, await attest(control, machine))).policy_version, "racks@1");
  machine.values.set(0, digest(50));
  assert.equal((await claimsOf(control, await attest(control, machine))).policy_version, "racks@2");
  machine.values.delete(0);
  const late = await answerFor(control, machine, await stage0Of(control));
  control.clock.advance(60_000);
  assertProblem(await control.post("/attest/evidence", late), 403, "challenge_expired");
  assertProblem(await attest(control, machine), 403, "pcr_value_refused");
});

Deno.test("a machine that says nothing of itself is not asked for PCRs, and cannot attest: policy_changed", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const answer = await answerFor(control, machine, await stage0Of(control));
  const taken = (await control.store.takeChallenge(answer.challenge_id))!;
  const { agent_id: _agent, pcrs: _pcrs, ...challenge } = JSON.parse(taken.body);
  const body = JSON.stringify({ ...challenge, policy_version: "default@1" });
  await control.store.putChallenge({ ...taken, body }, 9);
  assertProblem(await control.post("/attest/evidence", answer), 409, "policy_changed");
});

Deno.test("a channel that was opened before a reset is over, also when another one was opened since", async () => {
  const { control, machine } = await openRack();
  await using _ = control;
  const first = (await attest(control, machine)).json.reauth_token;
  machine.clock = { ...machine.clock, resetCount: 6 };
  const second = (await attest(control, machine)).json.reauth_token;
  const renew = async (reauthToken: string) =>
    (await control.post("/attest/evidence", await answerAgain(control, machine, reauthToken))).json.code ??
      "ok";
  assert.equal(await renew(second), "ok");
  assert.equal(await renew(first), "attestation_reset");
  const again = await control.post("/attest/challenge", { reauth_token: first, ...channelFields });
  assertProblem(again, 403, "attestation_failed");
  assert.equal(await renew(second), "ok");
});

Deno.test("judgements of one machine at once leave one chain that never goes back, whatever their order", async () => {
  const quote = fc.record({
    reset: fc.constantFrom(5, 6),
    clockMs: fc.nat(40),
    isOpen: fc.boolean(),
    isBad: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(quote, { minLength: 2, maxLength: 6 }),
      fc.scheduler(),
      async (quotes, scheduler) => {
        const { control, machine } = await openRack();
        await using _ = control;
        await apply(control);
        machine.clock = { ...machine.clock, clockMs: 0 };
        assert.equal((await attest(control, machine)).status, 200);
        const answers = [];
        for (const { reset, clockMs, isOpen, isBad } of quotes) {
          machine.clock = { resetCount: reset, restartCount: 0, clockMs: 10 + clockMs, safe: true };
          machine.values.set(0, digest(isBad ? 1 : 0));
          const purpose = isOpen ? "channel-open" : "channel-reauth";
          answers.push(await answerFor(control, machine, await stage0Of(control), purpose));
        }
        const { machine: find, advanceContinuity } = control.store;
        const written: MachineState[] = [];
        control.store.machine = (agentId) => scheduler.schedule(find.call(control.store, agentId));
        control.store.advanceContinuity = async (agentId, value, revision) => {
          await scheduler.schedule(Promise.resolve());
          const isWritten = await advanceContinuity.call(control.store, agentId, value, revision);
          if (isWritten) written.push(JSON.parse(value));
          return isWritten;
        };
        const judged = Promise.all(answers.map((answer) => control.post("/attest/evidence", answer)));
        const results = await scheduler.waitFor(judged);
        const chain = [{ resetCount: 5, clockMs: 0 }, ...written.map(({ clock }) => clock!)];
        for (const [at, { resetCount, clockMs }] of chain.slice(1).entries()) {
          const before = chain[at];
          assert.ok(
            resetCount > before.resetCount || resetCount === before.resetCount && clockMs >= before.clockMs,
          );
        }
        const passed = results.filter(({ status }) => status === 200).length;
        assert.equal(written.filter(({ verdict }) => verdict.result === "ok").length, passed);
        for (const [at, { verdict, failed }] of written.entries()) {
          assert.equal(failed, verdict.result === "ok" ? undefined : verdict.result);
          const isReauth = verdict.purpose === "channel-reauth" && verdict.result === "ok";
          if (isReauth) {
            assert.equal(
              written[at - 1]?.failed,
              undefined,
              "a failure holds until a channel was opened",
            );
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});
