import assert from "node:assert/strict";
import { boundKeyProvider, type EvidenceVerifier } from "../../src/attestation/mod.ts";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import { matchStages, verifyStage0, verifyStage1 } from "../../src/identity/mod.ts";
import {
  answerFor,
  assertProblem,
  binding,
  channelFields,
  type Control,
  issuer,
  openControl,
} from "./support.ts";

const anonymous = { anonymousTunnels: true };
const providerOf = (seed: number) => boundKeyProvider(new Uint8Array(32).fill(seed));

async function stage0Of(control: Control): Promise<string> {
  return (await control.post("/tunnels/create", { requested_name: "demo" })).json.ephemeral_token;
}

Deno.test("challenge and evidence give a stage 1 token that continues stage 0 on this channel", async () => {
  await using control = await openControl({ config: anonymous });
  const stage0Token = await stage0Of(control);
  const provider = await providerOf(9);
  const { status, json, headers } = await control.post(
    "/attest/evidence",
    await answerFor(control, provider, stage0Token),
  );
  assert.equal(status, 200, JSON.stringify(json));
  assert.equal(headers.get("Cache-Control"), "no-store");
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  const stage0 = await verifyStage0(stage0Token, control.keyset, expect);
  const stage1 = await verifyStage1(json.stage1_token, control.keyset, expect);
  matchStages(stage0, stage1, {
    sessionNonce: fromBase64Url(channelFields.session_nonce),
    handshakeHash: fromBase64Url(channelFields.handshake_hash),
    agentStatic: fromBase64Url(channelFields.agent_static),
  });
  assert.equal(stage1.agent_id, provider.agentId);
  assert.equal(stage1.tier, "bound-key");
  assert.equal(stage1.exp - stage1.iat, 30);
  assert.equal(stage1.reauth_interval_seconds, 300);
  assert.equal(stage1.issued_at_quote, expect.nowMs / 1_000);
  const agents = await control.store.agentsOf(stage0.sub);
  assert.deepEqual(agents.map((agent) => agent.agentId), [provider.agentId]);
});

Deno.test("reauth settings become claims; an interval of 0 means never", async () => {
  const reauth = {
    intervalMs: 0,
    graceMs: 5_000,
    maintenanceCapMs: 60_000,
    authorizerStatusUri: "https://s.example/",
  };
  await using control = await openControl({ config: { ...anonymous, reauth } });
  const answer = await answerFor(control, await providerOf(9), await stage0Of(control));
  const { json } = await control.post("/attest/evidence", answer);
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  const claims = await verifyStage1(json.stage1_token, control.keyset, expect);
  assert.equal(claims.reauth_interval_seconds, undefined);
  assert.equal(claims.reauth_grace_seconds, 5);
  assert.equal(claims.maintenance_grace_cap_seconds, 60);
  assert.equal(claims.authorizer_status_uri, "https://s.example/");
});

Deno.test("a challenge is answered once, also wrongly: challenge_unknown", async () => {
  await using control = await openControl({ config: anonymous });
  const provider = await providerOf(9);
  const stage0Token = await stage0Of(control);
  const good = await answerFor(control, provider, stage0Token);
  assert.equal((await control.post("/attest/evidence", good)).status, 200);
  assertProblem(await control.post("/attest/evidence", good), 403, "challenge_unknown");
  const spoiled = await answerFor(control, provider, stage0Token);
  const wrong = { ...spoiled, evidence: { ...spoiled.evidence, signature: toBase64Url(new Uint8Array(64)) } };
  assertProblem(await control.post("/attest/evidence", wrong), 403, "evidence_signature_invalid");
  assertProblem(await control.post("/attest/evidence", spoiled), 403, "challenge_unknown");
});

Deno.test("a challenge lives 30 s: challenge_expired", async () => {
  await using control = await openControl({ config: anonymous });
  const provider = await providerOf(9);
  const stage0Token = await stage0Of(control);
  const early = await answerFor(control, provider, stage0Token);
  const late = await answerFor(control, provider, stage0Token);
  control.clock.advance(29_999);
  assert.equal((await control.post("/attest/evidence", early)).status, 200);
  control.clock.advance(1);
  assertProblem(await control.post("/attest/evidence", late), 403, "challenge_expired");
});

Deno.test("open challenges are bounded: challenges_full", async () => {
  await using control = await openControl({ config: anonymous, store: { maxChallenges: 1 } });
  const stage0_token = await stage0Of(control);
  assert.equal((await control.post("/attest/challenge", { stage0_token, ...channelFields })).status, 200);
  const full = await control.post("/attest/challenge", { stage0_token, ...channelFields });
  assertProblem(full, 503, "challenges_full");
});

Deno.test("anonymous tunnels together leave room for the challenges of accounts: challenge_limit_reached", async () => {
  await using control = await openControl({
    config: anonymous,
    store: { maxChallenges: 4, maxChallengesPerOwner: 2 },
  });
  const ask = async (stage0_token: string) =>
    await control.post("/attest/challenge", { stage0_token, ...channelFields });
  const created = async (body: Record<string, string>): Promise<string> =>
    (await control.post("/tunnels/create", body)).json.ephemeral_token;
  for (let greedy = 0; greedy < 2; greedy++) assert.equal((await ask(await created({}))).status, 200);
  assertProblem(await ask(await created({})), 429, "challenge_limit_reached");
  const account = await created({ management_token: await control.tokenOf("alice") });
  assert.equal((await ask(account)).status, 200);
});

Deno.test("POST /attest/challenge takes only a valid stage 0 token for edges", async () => {
  await using control = await openControl({ config: anonymous });
  const created = (await control.post("/tunnels/create", {})).json;
  const challenge = (stage0_token: string) =>
    control.post("/attest/challenge", { stage0_token, ...channelFields });
  assertProblem(await challenge(created.recreate_token), 401, "token_wrong_type");
  assertProblem(await challenge("nonsense"), 401, "token_malformed");
  const short = await control.post("/attest/challenge", {
    stage0_token: created.ephemeral_token,
    ...channelFields,
    session_nonce: toBase64Url(new Uint8Array(31)),
  });
  assertProblem(short, 400, "request_invalid");
  await control.post("/tunnels/delete", { tunnel_id: created.tunnel_id }, created.recreate_token);
  assertProblem(await challenge(created.ephemeral_token), 410, "tunnel_gone");
  control.clock.advance(90_000);
  assertProblem(await challenge(created.ephemeral_token), 401, "token_expired");
});

Deno.test("POST /attest/evidence refuses a tunnel that was deleted meanwhile: tunnel_gone", async () => {
  await using control = await openControl({ config: anonymous });
  const created = (await control.post("/tunnels/create", {})).json;
  const answer = await answerFor(control, await providerOf(9), created.ephemeral_token);
  await control.post("/tunnels/delete", { tunnel_id: created.tunnel_id }, created.recreate_token);
  assertProblem(await control.post("/attest/evidence", answer), 410, "tunnel_gone");
});

Deno.test("POST /attest/evidence refuses evidence relayed from another channel or agent", async () => {
  await using control = await openControl({ config: anonymous });
  const stage0_token = await stage0Of(control);
  const { json } = await control.post("/attest/challenge", {
    stage0_token,
    ...channelFields,
    handshake_hash: binding(8),
  });
  const { evidence } = await answerFor(control, await providerOf(9), stage0_token);
  const relayed = await control.post("/attest/evidence", { challenge_id: json.challenge_id, evidence });
  assertProblem(relayed, 403, "evidence_signature_invalid");
});

Deno.test("POST /attest/evidence refuses other and malformed evidence with the verifier's codes", async () => {
  await using control = await openControl({ config: anonymous });
  const stage0Token = await stage0Of(control);
  const provider = await providerOf(9);
  const send = async (change: Record<string, unknown>) => {
    const { challenge_id, evidence } = await answerFor(control, provider, stage0Token);
    return await control.post("/attest/evidence", { challenge_id, evidence: { ...evidence, ...change } });
  };
  assertProblem(await send({ kind: "sgx" }), 400, "evidence_kind_unsupported");
  assertProblem(await send({ signature: 1 }), 400, "evidence_malformed");
  assertProblem(await send({ identity_key: toBase64Url(new Uint8Array(32)) }), 403, "evidence_key_weak");
  assertProblem(await send({ kind: undefined }), 400, "request_invalid");
  const outcomes = (await control.store.auditEntries(3)).map((entry) => entry.outcome);
  assert.deepEqual(outcomes, ["evidence_key_weak", "evidence_malformed", "evidence_kind_unsupported"]);
});

Deno.test("evidence under a policy that was replaced meanwhile: policy_changed", async () => {
  await using control = await openControl({ config: anonymous });
  const { challenge_id, evidence } = await answerFor(control, await providerOf(9), await stage0Of(control));
  const taken = await control.store.takeChallenge(challenge_id);
  assert.ok(taken);
  await control.store.putChallenge({ ...taken, body: taken.body.replace("default@1", "default@0") }, 4);
  assertProblem(await control.post("/attest/evidence", { challenge_id, evidence }), 409, "policy_changed");
});

Deno.test("evidence of another agent than the one that was challenged: evidence_wrong_agent", async () => {
  await using control = await openControl({ config: anonymous });
  const other = (await providerOf(8)).agentId;
  const { challenge_id, evidence } = await answerFor(
    control,
    await providerOf(9),
    await stage0Of(control),
    "channel-open",
    other,
  );
  assertProblem(
    await control.post("/attest/evidence", { challenge_id, evidence }),
    403,
    "evidence_wrong_agent",
  );
});

Deno.test("the policy that counts for the agent says what its quote has to cover", async () => {
  const pcrs = { bank: "sha256", pcrs: [0, 7] } as const;
  const { agentId } = await providerOf(9);
  await using control = await openControl({
    config: anonymous,
    policyOf: (asked) =>
      Promise.resolve({
        policyVersion: `of-${asked}@3`,
        accepted: [`of-${asked}@3`],
        pcrs: { ...pcrs, pcrs: [0, 7] },
      }),
  });
  const { json } = await control.post("/attest/challenge", {
    stage0_token: await stage0Of(control),
    ...channelFields,
    agent_id: agentId,
  });
  assert.deepEqual([json.pcr_selection, json.policy_version], [pcrs, `of-${agentId}@3`]);
});

Deno.test("agents of one tunnel are limited: agent_limit_reached", async () => {
  const limits = {
    maxBodyBytes: 1_024,
    maxTunnelsPerOwner: 9,
    maxAnonymousTunnels: 9,
    maxTunnelsPerAddress: 9,
    maxAgentsPerTunnel: 2,
    maxMachines: 9,
    maxNodes: 9,
  };
  await using limited = await openControl({ config: { ...anonymous, limits } });
  const attest = async (control: Control, stage0Token: string, seed: number) =>
    await control.post("/attest/evidence", await answerFor(control, await providerOf(seed), stage0Token));
  const token = await stage0Of(limited);
  for (const seed of [1, 2, 1]) assert.equal((await attest(limited, token, seed)).status, 200);
  assertProblem(await attest(limited, token, 3), 403, "agent_limit_reached");
});

Deno.test("POST /attest/challenge opens four challenges for one stage 0 token, and no more: challenge_limit_reached", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const { ephemeral_token } = (await control.post("/tunnels/create", {})).json;
  const ask = (token: string) => control.post("/attest/challenge", { stage0_token: token, ...channelFields });
  for (let n = 0; n < 4; n++) assert.equal((await ask(ephemeral_token)).status, 200);
  assertProblem(await ask(ephemeral_token), 429, "challenge_limit_reached");
  const other = (await control.post("/tunnels/create", {})).json.ephemeral_token;
  assert.equal((await ask(other)).status, 200);
});

Deno.test("tiers that are not admitted are refused: tier_too_weak, evidence_kind_unsupported", async () => {
  const attest = async (tiers: ("tpm" | "bound-key")[], verifiers?: EvidenceVerifier[]) => {
    const attestation = { tiers, requirePolicy: false };
    await using control = await openControl({ config: { ...anonymous, attestation }, verifiers });
    const answer = await answerFor(control, await providerOf(9), await stage0Of(control));
    return await control.post("/attest/evidence", answer);
  };
  assertProblem(await attest(["tpm"]), 403, "tier_too_weak");
  assert.equal((await attest(["bound-key"])).status, 200);
  const { agentId } = await providerOf(9);
  const tpm: EvidenceVerifier = {
    kind: "bound-key",
    verify: () => Promise.resolve({ tier: "tpm", agentId }),
  };
  assert.equal((await attest(["tpm"], [tpm])).status, 200);
  assertProblem(await attest(["bound-key"], [tpm]), 400, "evidence_kind_unsupported");
});
