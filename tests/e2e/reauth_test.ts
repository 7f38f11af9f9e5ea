/** Agents that prove themselves again and again on channels that stand, and what becomes of those that do not. */
import assert from "node:assert/strict";
import { CertificateAuthority } from "../support/certificates.ts";
import { FreezingProxy } from "../support/freezing_proxy.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { RogueAgent } from "../support/rogue_agent.ts";
import { eventually, metricOf, type Stack, startStack } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";

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

/** Machines with a TPM do it twenty times: see reattestation_test.ts. */
const wanted = 8;
const often = { "reauth.interval": "1s", "reauth.grace": "900ms" };

Deno.test("re-authentications under load without a failed request, on one channel with ever new keys", async () => {
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
    await eventually(`${wanted} re-authentications`, async () => await succeeded() >= wanted, 60_000);
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
  assert.ok(session.attestation!.attempts >= wanted);
  assert.ok(session.attestation!.attested_at > before.attestation!.attested_at);
  assert.ok(session.attestation!.reauth_deadline! > session.attestation!.attested_at);
  const [service] = stack.agent.status().services;
  assert.equal(service.attestation?.tier, "bound-key");
  assert.ok(service.attestation!.reauth_at! > service.attestation!.attested_at);
  const metrics = await stack.metrics();
  assert.equal(metricOf(metrics, 'postern_handshake_stage_total{stage="0",result="ok",code="none"}'), 1);
  assert.equal(metricOf(metrics, 'postern_handshake_stage_total{stage="1",result="ok",code="none"}'), 1);
  assert.ok(metricOf(metrics, "postern_rekeys_total") >= wanted);
  assert.equal(metricOf(metrics, 'postern_reauth_total{result="failed",code="reauth_timeout"}'), 0);
});

Deno.test("the authorizer is down and control out of reach: put off up to the cap, then asked all the same, then cut", async () => {
  await using ca = await CertificateAuthority.make();
  const { cert, key } = await ca.issue({ names: ["DNS:localhost"] });
  let polls = 0;
  await using authorizer = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => {
      polls++;
      return new Response("in maintenance", { status: 503 });
    },
  );
  await using held = RawOrigin.start(async (socket) => {
    await socket.through("\n");
    await socket.send("here\n");
    await socket.rest().catch(() => {});
  });
  let port = 0;
  const control = FreezingProxy.start(() => port);
  let stack: Stack | undefined;
  try {
    stack = await startStack({
      edge: {
        ...often,
        "reauth.maintenance_cap": "2s",
        "reauth.authorizer_status_uri": `https://localhost:${authorizer.addr.port}/status`,
        "reauth.authorizer_ca_file": ca.ca.certPath,
      },
    });
    port = stack.port;
    const agent = await stack.addAgent(
      [{ name: "held", target: `127.0.0.1:${held.port}`, protocol: "tcp" }],
      {
        control: `http://127.0.0.1:${control.port}`,
      },
    );
    await control[Symbol.asyncDispose](); // from now on the agent does not reach control
    const [{ url }] = agent.status().services;
    const viewer = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url!).port) });
    await viewer.write(new TextEncoder().encode("hello\n"));
    const buffer = new Uint8Array(100);
    assert.equal(await viewer.read(buffer), 5);
    await eventually(
      "it is put off",
      async () => (await statusOf(stack!)).sessions[0]?.attestation?.state === "deferred",
    );
    assert.equal(agent.status().state, "online", "traffic goes on");
    assert.equal(await viewer.read(buffer).catch(() => null), null, "the open stream is cut");
    viewer.close();
    const metrics = await stack.metrics();
    assert.ok(metricOf(metrics, "postern_maintenance_defer_total") >= 2);
    assert.equal(metricOf(metrics, 'postern_reauth_total{result="failed",code="reauth_timeout"}'), 1);
    assert.equal(metricOf(metrics, "postern_reauth_in_progress"), 0);
    assert.ok(polls >= 6, `${polls} polls`);
    const { sessions, attestations } = await statusOf(stack);
    assert.deepEqual(sessions, []);
    assert.deepEqual([attestations[0].state, attestations[0].code], ["lapsed", "reauth_timeout"]);
    const spent = stack.lines.filter(({ event }) => event.startsWith("re-authentication deferred"));
    assert.equal(Math.max(...spent.map(({ fields }) => Number(fields.deferral_spent_ms))), 2_000);
  } finally {
    await stack?.[Symbol.asyncDispose]();
    await control[Symbol.asyncDispose]().catch(() => {});
  }
});

Deno.test("agents that stay silent, or give what control never judged, are cut with all their streams", async () => {
  await using stack = await startStack({ edge: often });
  await using rogue = new RogueAgent(stack);
  const streams: Promise<string>[] = [];
  const knock = async (onReauth: Parameters<RogueAgent["knock"]>[3] = {}) => {
    const created = await rogue.create();
    const opened = await rogue.knock(
      created,
      created.ephemeral_token,
      await rogue.honest(created.ephemeral_token),
      {
        onOpen: () => {
          const reset = Promise.withResolvers<string>();
          streams.push(reset.promise);
          return { onData() {}, onEnd() {}, onTaken() {}, onReset: reset.resolve };
        },
        ...onReauth,
      },
    );
    await opened.ready;
    await eventually(
      "it is online",
      async () => (await statusOf(stack)).sessions.some(({ state }) => state === "established"),
    );
    return { created, opened };
  };
  const silent = await knock();
  const name = silent.created.public_hostname.split(".")[0];
  const waiting = stack.fetch(name);
  assert.equal(await silent.opened.ended, "reauth_timeout");
  assert.equal(await streams[0], "channel_lost");
  const answer = await waiting;
  assert.ok(answer.status >= 500, `${answer.status}`);
  await answer.body?.cancel();
  const forged = await knock({
    onReauth: (channel) => channel.proveAgain("nothing.that.control.has.issued", performance.now()),
  });
  assert.equal(await forged.opened.ended, "reauth_failed");
  const metrics = await stack.metrics();
  assert.equal(metricOf(metrics, 'postern_reauth_total{result="failed",code="reauth_timeout"}'), 1);
  assert.equal(metricOf(metrics, 'postern_reauth_total{result="failed",code="token_malformed"}'), 1);
  const { attestations } = await statusOf(stack);
  assert.deepEqual(attestations.map(({ state, code }) => [state, code]), [
    ["failed", "token_malformed"],
    ["lapsed", "reauth_timeout"],
  ]);
});

Deno.test("an agent with channels side by side proves itself on each of them, in each worker", async () => {
  await using origin = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("ok"),
  );
  await using stack = await StackProcesses.start({
    edge: { ...often, workers: "2" },
    agent: { carriers: "3" },
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const sessionsNow = async () => await stack.edgeSessions() as unknown as EdgeSession[];
  await eventually("each was asked twice", async () => {
    const sessions = await sessionsNow();
    return sessions.length === 3 && sessions.every(({ attestation }) => attestation!.attempts >= 2);
  }, 30_000);
  assert.ok(
    (await sessionsNow()).every(({ attestation }) => attestation!.reauth_deadline! > Date.now() - 1_000),
  );
});
