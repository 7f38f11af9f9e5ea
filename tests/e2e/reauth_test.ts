/** Agents that prove themselves again and again on channels that stand, and what becomes of those that do not. */
import assert from "node:assert/strict";
import { eventually, metricOf, type Stack, startStack } from "../support/stack.ts";

interface EdgeSession {
  readonly session_id: string;
  readonly tier: string;
  readonly state: string;
  readonly attestation: {
    readonly state: string;
    readonly attested_at: number;
    readonly reauth_at: number | null;
    readonly reauth_deadline: number | null;
    readonly attempts: number;
    readonly deferral_spent_ms: number;
  } | null;
}

async function statusOf(stack: Stack) {
  const answer = await fetch(`http://127.0.0.1:${stack.edge.adminPort}/status`);
  return await answer.json() as {
    sessions: EdgeSession[];
    attestations: { session_id: string; state: string; code: string | null; attempts: number }[];
  };
}

const often = { "reauth.interval": "1s", "reauth.grace": "900ms" };

Deno.test("20 re-authentications under load without a failed request, on one channel with ever new keys", async () => {
  await using origin = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("ok"),
  );
  await using stack = await startStack({
    edge: often,
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const [before] = (await statusOf(stack)).sessions;
  let isOver = false;
  let answered = 0;
  const load = Array.from({ length: 2 }, async () => {
    while (!isOver) {
      const response = await stack.fetch("web");
      assert.deepEqual([response.status, await response.text()], [200, "ok"]);
      answered++;
    }
  });
  const succeeded = async () =>
    metricOf(await stack.metrics(), 'postern_reauth_total{result="succeeded",code="none"}');
  try {
    await eventually("20 re-authentications", async () => await succeeded() >= 20, 60_000);
  } finally {
    isOver = true;
  }
  await Promise.all(load);
  assert.ok(answered > 100, `${answered} answers`);
  const status = await statusOf(stack);
  assert.equal(status.sessions.length, 1);
  const [session] = status.sessions;
  assert.equal(session.session_id, before.session_id, "it is the same channel all the time");
  assert.equal(session.tier, "bound-key");
  assert.ok(session.attestation!.attempts >= 20);
  assert.ok(session.attestation!.attested_at > before.attestation!.attested_at);
  assert.ok(session.attestation!.reauth_deadline! > Date.now());
  const [service] = stack.agent.status().services;
  assert.equal(service.attestation?.tier, "bound-key");
  assert.ok(service.attestation!.reauth_at! > service.attestation!.attested_at);
  const metrics = await stack.metrics();
  assert.equal(metricOf(metrics, 'postern_handshake_stage_total{stage="0",result="ok",code="none"}'), 1);
  assert.equal(metricOf(metrics, 'postern_handshake_stage_total{stage="1",result="ok",code="none"}'), 1);
  assert.ok(metricOf(metrics, "postern_rekeys_total") >= 20);
  assert.equal(metricOf(metrics, 'postern_reauth_total{result="failed",code="reauth_timeout"}'), 0);
});
