import assert from "node:assert/strict";
import { boundKeyProvider, type EvidenceVerifier } from "../../src/attestation/mod.ts";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { issueReauth, verifyReauth, verifyStage1 } from "../../src/identity/mod.ts";
import {
  answerAgain,
  answerFor,
  assertProblem,
  binding,
  channelFields,
  type Control,
  type ControlOptions,
  issuer,
  openControl,
} from "./support.ts";

const anonymous = { anonymousTunnels: true };
const provider = await boundKeyProvider(new Uint8Array(32).fill(9));
const reauth = { intervalMs: 300_000, graceMs: 10_000, maintenanceCapMs: 1_800_000 };

/** An agent that has opened a channel. */
async function opened(options: ControlOptions = {}) {
  const control = await openControl({ ...options, config: { ...anonymous, ...options.config } });
  const created = (await control.post("/tunnels/create", { requested_name: "demo" })).json;
  const answer = await answerFor(control, provider, created.ephemeral_token);
  const { status, json } = await control.post("/attest/evidence", answer);
  assert.equal(status, 200, JSON.stringify(json));
  const claims = await stage1Of(control, json.stage1_token);
  return { control, created, claims, token: json.reauth_token as string };
}

const stage1Of = (control: Control, token: string) =>
  verifyStage1(token, control.keyset, { audience: "postern-edge", issuer, nowMs: control.clock.wall() });
const challenge = (control: Control, reauth_token: string, change = {}) =>
  control.post("/attest/challenge", { reauth_token, ...channelFields, ...change });
const prove = async (control: Control, token: string, by = provider) =>
  await control.post("/attest/evidence", await answerAgain(control, by, token));

Deno.test("evidence for a channel brings a reauth token, and that brings stage 1 tokens of the same attestation", async () => {
  const { control, claims, token } = await opened();
  await using _ = control;
  assert.equal(claims.reauth_version, 1);
  let current = token;
  for (let round = 1; round <= 3; round++) {
    control.clock.advance(300_000);
    const { status, json } = await prove(control, current);
    assert.equal(status, 200, JSON.stringify(json));
    const { jti, iat, exp, issued_at_quote, ...fresh } = await stage1Of(control, json.stage1_token);
    const { jti: _jti, iat: _iat, exp: _exp, issued_at_quote: _quoted, ...before } = claims;
    assert.deepEqual(fresh, before);
    assert.deepEqual([issued_at_quote, exp - iat], [control.clock.wall() / 1_000, 30]);
    assert.notEqual(jti, _jti);
    const record = (await control.store.attestation(claims.attestation_id!))!;
    assert.deepEqual([record.state, record.attestedAtMs], ["passed", control.clock.wall()]);
    current = json.reauth_token;
  }
  assert.equal((await prove(control, token)).status, 200, "an answer that was lost is asked for again");
  const lines = (await control.store.auditEntries(10)).filter(({ action }) => action === "agent.attest");
  assert.deepEqual(lines.map(({ detail }) => detail.purpose), ["channel-open"], "the same again is no line");
});

Deno.test("agents that are never asked again get no reauth token, and nothing is remembered of them", async () => {
  const { control, claims, token } = await opened({ config: { reauth: { ...reauth, intervalMs: 0 } } });
  await using _ = control;
  assert.equal(token, undefined);
  assert.equal(claims.attestation_id, undefined);
});

Deno.test("POST /attest/challenge takes one of the two tokens, and only the purpose that goes with it", async () => {
  const { control, created, token } = await opened();
  await using _ = control;
  const stage0_token = created.ephemeral_token;
  for (
    const body of [
      {},
      { stage0_token, reauth_token: token },
      { stage0_token, purpose: "channel-reauth" },
      { reauth_token: token, purpose: "channel-open" },
    ]
  ) {
    const answer = await control.post("/attest/challenge", { ...channelFields, ...body });
    assertProblem(answer, 400, "request_invalid");
  }
  assert.equal((await challenge(control, token)).status, 200);
  assertProblem(await challenge(control, stage0_token), 401, "token_wrong_type");
  assertProblem(
    await control.post("/attest/challenge", { stage0_token: token, ...channelFields }),
    401,
    "token_wrong_type",
  );
});

Deno.test("a reauth token is good for its own channel, agent and attestation only: attestation_unknown", async () => {
  const { control, claims, token } = await opened();
  await using _ = control;
  assertProblem(await challenge(control, token, { agent_static: binding(9) }), 401, "attestation_unknown");
  const other = (await boundKeyProvider(new Uint8Array(32).fill(8))).agentId;
  assertProblem(await challenge(control, token, { agent_id: other }), 401, "attestation_unknown");
  const issue = { nowMs: control.clock.wall(), random: control.deps.random, ttlSeconds: 60 };
  const draft = {
    iss: issuer,
    aud: "postern-control",
    sub: claims.sub,
    agent_id: claims.agent_id,
    attestation_id: claims.attestation_id!,
  };
  for (const change of [{ attestation_id: "attestation-9" }, { agent_id: other }, { sub: "tun_9" }]) {
    const forged = await issueReauth({ ...draft, ...change }, control.keyset, issue);
    assertProblem(await challenge(control, forged.token), 401, "attestation_unknown");
  }
});

Deno.test("a reauth token outlives every wait of an edge, and not much more: attestation_over, token_expired", async () => {
  const { control, claims, token } = await opened({ config: { reauth } });
  await using _ = control;
  const expect = { audience: "postern-control", issuer, nowMs: control.clock.wall() };
  const { exp, iat, sub, agent_id, attestation_id } = await verifyReauth(token, control.keyset, expect);
  assert.equal(exp - iat, 360 + 10 + 1_800 + 120);
  assert.deepEqual([sub, agent_id, attestation_id], [claims.sub, claims.agent_id, claims.attestation_id]);
  control.clock.advance((exp - iat) * 1_000 - 1);
  assert.equal((await challenge(control, token)).status, 200);
  control.clock.advance(1);
  assertProblem(await challenge(control, token), 410, "attestation_over");
  control.clock.advance(30_000);
  assertProblem(await challenge(control, token), 401, "token_expired");
});

Deno.test("what has ended is not renewed, be it before or after the challenge: attestation_over", async () => {
  for (const step of [{ state: "ended" }, { state: "lapsed", code: "reauth_timeout" }] as const) {
    const { control, claims, token } = await opened();
    await using _ = control;
    const answer = await answerAgain(control, provider, token);
    await control.store.stepAttestation(claims.attestation_id!, step);
    assertProblem(await control.post("/attest/evidence", answer), 410, "attestation_over");
    assertProblem(await challenge(control, token), 410, "attestation_over");
  }
});

Deno.test("a deleted tunnel and a revoked owner end re-authentication: tunnel_gone, token_revoked", async () => {
  const { control, created, token } = await opened();
  await using _ = control;
  const answer = await answerAgain(control, provider, token);
  const tunnel = (await control.store.tunnel(created.tunnel_id))!;
  control.clock.advance(1);
  await control.store.revoke({
    kind: "owner",
    id: tunnel.owner,
    owner: tunnel.owner,
    revokedAtMs: control.clock.wall(),
    forgetAtMs: control.clock.wall() + 1_000_000,
  });
  assertProblem(await challenge(control, token), 401, "token_revoked");
  await control.store.deleteTunnel(created.tunnel_id);
  assertProblem(await challenge(control, token), 410, "tunnel_gone");
  assertProblem(await control.post("/attest/evidence", answer), 410, "tunnel_gone");
});

Deno.test("evidence that is refused once fails the machine for good on all its channels of the tunnel: attestation_failed", async () => {
  const { control, created, claims, token } = await opened();
  await using _ = control;
  const again = (await control.post("/tunnels/create", { recreate_token: created.recreate_token })).json;
  const sibling = await control.post(
    "/attest/evidence",
    await answerFor(control, provider, again.ephemeral_token),
  );
  const good = await answerAgain(control, provider, token);
  const bad = await answerAgain(control, provider, token);
  const spoiled = { ...bad, evidence: { ...bad.evidence, signature: toBase64Url(new Uint8Array(64)) } };
  assertProblem(await control.post("/attest/evidence", spoiled), 403, "evidence_signature_invalid");
  assert.deepEqual(control.failed, [`${claims.sub} ${claims.agent_id}`]);
  assertProblem(await control.post("/attest/evidence", good), 403, "attestation_failed");
  assertProblem(await challenge(control, token), 403, "attestation_failed");
  assertProblem(await challenge(control, sibling.json.reauth_token), 403, "attestation_failed");
  const { state, code } = (await control.store.attestation(claims.attestation_id!))!;
  assert.deepEqual([state, code], ["failed", "evidence_signature_invalid"]);
  // A full handshake begins anew, and makes nothing of before good.
  const third = (await control.post("/tunnels/create", { recreate_token: created.recreate_token })).json;
  const fresh = await control.post(
    "/attest/evidence",
    await answerFor(control, provider, third.ephemeral_token),
  );
  assert.equal((await prove(control, fresh.json.reauth_token)).status, 200);
  assertProblem(await challenge(control, token), 403, "attestation_failed");
});

Deno.test("another agent's evidence proves nothing for the channel: evidence_wrong_agent", async () => {
  const { control, token } = await opened();
  await using _ = control;
  const other = await boundKeyProvider(new Uint8Array(32).fill(8));
  assertProblem(await prove(control, token, other), 403, "evidence_wrong_agent");
});

Deno.test("evidence of a weaker tier than the one that opened the channel: reauth_weaker_tier", async () => {
  let tier: "tpm" | "bound-key" = "tpm";
  const verifier: EvidenceVerifier = {
    kind: "bound-key",
    verify: () => Promise.resolve({ tier, agentId: provider.agentId }),
  };
  const { control, claims, token } = await opened({ verifiers: [verifier] });
  await using _ = control;
  assert.equal((await prove(control, token)).status, 200);
  tier = "bound-key";
  assertProblem(await prove(control, token), 403, "reauth_weaker_tier");
  assert.equal((await control.store.attestation(claims.attestation_id!))?.state, "failed");
});

Deno.test("a judge that breaks down refuses, and says nothing about the machine", async () => {
  let failure: unknown;
  const verifier: EvidenceVerifier = {
    kind: "bound-key",
    // deno-lint-ignore require-await -- what it throws is a rejection
    async verify() {
      if (failure !== undefined) throw failure;
      return { tier: "bound-key", agentId: provider.agentId };
    },
  };
  const { control, claims, token } = await opened({ verifiers: [verifier] });
  await using _ = control;
  const before = (await control.store.attestation(claims.attestation_id!))!;
  for (const broken of [new TypeError("a bug"), new PosternError("store_busy")]) {
    failure = broken;
    control.clock.advance(1_000);
    assert.ok((await prove(control, token)).status >= 500);
    assert.deepEqual(await control.store.attestation(claims.attestation_id!), before);
  }
  failure = undefined;
  assert.equal((await prove(control, token)).status, 200);
});

Deno.test("open challenges of one attestation are bounded: challenge_limit_reached", async () => {
  const { control, token } = await opened();
  await using _ = control;
  for (let n = 0; n < 4; n++) assert.equal((await challenge(control, token)).status, 200);
  assertProblem(await challenge(control, token), 429, "challenge_limit_reached");
});
