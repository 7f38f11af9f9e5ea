import assert from "node:assert/strict";
import { noEkTrust } from "../../src/attestation/ek/mod.ts";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { tpmTrust } from "../../src/control/mod.ts";
import { makeCsr } from "../../src/pki/mod.ts";
import { makeKeys } from "../support/made_cluster.ts";
import { MadeMachine, madeTrust, tokenFor } from "./made_machines.ts";
import { assertProblem, type Control, type ControlOptions, defaultLimits, openControl } from "./support.ts";

const open = (options: ControlOptions = {}) => openControl({ machineTrust: madeTrust, ...options });
const one = new MadeMachine("one");
const two = new MadeMachine("two");

/** Newest audit line, with its detail. */
async function lastAudit(control: Control): Promise<Record<string, unknown>> {
  const [{ actor, action, outcome, detail }] = await control.store.auditEntries(1);
  return { actor, action, outcome, ...detail };
}

Deno.test("POST /v1/enroll/begin and finish enroll a machine with the labels of its token, and spend that", async () => {
  await using control = await open();
  const token = await tokenFor(control, { labels: ["prod", "eu"] });
  const begun = await control.post("/v1/enroll/begin", one.begin(token));
  assert.equal(begun.status, 200, JSON.stringify(begun.json));
  assert.equal(begun.json.agent_id, one.agentId);
  assert.equal(begun.json.expires_at, "2026-01-01T00:01:00.000Z");
  const { status, json } = await control.post("/v1/enroll/finish", one.finish(begun.json));
  assert.deepEqual([status, json], [200, { agent_id: one.agentId, labels: ["eu", "prod"], tier: "tpm" }]);
  const machine = await control.store.machine(one.agentId);
  assert.deepEqual(machine?.akName, one.akName);
  assert.deepEqual(machine?.ekCertificate, one.ek);
  assert.equal(machine?.ekIntermediates.length, 1);
  const { token_id, ...audit } = await lastAudit(control);
  assert.deepEqual(audit, {
    actor: one.agentId,
    action: "machine.enroll",
    outcome: "ok",
    ek_sha256: one.ekSha256,
    reason: "enrolled",
  });
  assert.equal(token_id, token.split(".")[1]);
  assertProblem(await two.enroll(control, token), 403, "enrollment_token_refused");
  assert.equal((await lastAudit(control)).reason, `used by ${one.agentId}`);
});

Deno.test("POST /v1/enroll/begin tells unknown, wrong and used tokens apart in the audit only", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const used = await tokenFor(control);
  assert.equal((await one.enroll(control, used)).status, 200);
  const [, id, secret] = token.split(".");
  const answers = [];
  const reasons = [];
  for (
    const shown of [
      `enroll.${"A".repeat(12)}.${secret}`,
      `enroll.${id}.${"A".repeat(43)}`,
      used,
    ]
  ) {
    const { status, json: { request_id: _, ...json } } = await control.post(
      "/v1/enroll/begin",
      two.begin(shown),
    );
    answers.push(JSON.stringify([status, json]));
    reasons.push((await lastAudit(control)).reason);
    assert.equal((await lastAudit(control)).token_id, shown.split(".")[1]);
  }
  assert.equal(new Set(answers).size, 1, answers.join("\n"));
  assert.match(answers[0], /enrollment_token_refused/);
  assert.deepEqual(reasons, ["unknown", "wrong_secret", `used by ${one.agentId}`]);
});

Deno.test(
  "POST /v1/enroll/begin refuses malformed, expired and foreign tokens before anything is judged, each with its code",
  async () => {
    await using control = await open();
    const begin = (token: string, machine = one) => control.post("/v1/enroll/begin", machine.begin(token));
    const management = await control.tokenOf("ops", "operator");
    for (const token of [management, "enroll", "enroll.a.b", "x".repeat(128)]) {
      assertProblem(await begin(token), 400, "enrollment_token_malformed");
    }
    const bound = await tokenFor(control, { ek_sha256: one.ekSha256 });
    assertProblem(await begin(bound, two), 403, "enrollment_token_foreign");
    assert.equal((await begin(bound)).status, 200);
    const short = await tokenFor(control, { ttl_seconds: 60 });
    control.clock.advance(60_000);
    assertProblem(await begin(short), 403, "enrollment_token_expired");
    assert.equal((await lastAudit(control)).token_id, short.split(".")[1]);
  },
);

Deno.test("POST /v1/enroll/begin lets nobody in without trusted manufacturers, and passes on what judging keys says", async () => {
  await using off = await open({ machineTrust: tpmTrust(() => noEkTrust) });
  const { json } = await one.enroll(off, await tokenFor(off));
  assert.match(json.code, /^(ak|tpm)_/);
  await using control = await open();
  const token = await tokenFor(control);
  const body = { ...one.begin(token), ek_certificates: [toBase64Url(new Uint8Array([0xff, 1]))] };
  const refused = await control.post("/v1/enroll/begin", body);
  assert.equal(refused.json.code, "certificate_invalid");
  assert.equal((await lastAudit(control)).outcome, "certificate_invalid");
  assert.equal((await one.enroll(control, token)).status, 200, "a refusal does not spend the token");
});

Deno.test("POST /v1/enroll/begin refuses what is out of form or too large", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const bodies = [
    { ...one.begin(token), ek_certificates: [] },
    { ...one.begin(token), ek_certificates: ["!!"] },
    { ...one.begin(token), ek_certificates: new Array(9).fill("AAAA") },
    { ...one.begin(token), ek_certificates: ["A".repeat(11_000)] },
    { ...one.begin(token), ek_template: "rsa1024" },
    { ...one.begin(token), ak_public: "A".repeat(2_000) },
    { ...one.begin("e".repeat(10_000)) },
  ];
  for (const body of bodies) {
    assertProblem(await control.post("/v1/enroll/begin", body), 400, "request_invalid");
  }
});

Deno.test("POST /v1/enroll/finish refuses a proof of another TPM, another AK and a changed one: enrollment_proof_invalid", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const begin = async () => (await control.post("/v1/enroll/begin", one.begin(token))).json;
  for (const other of [two, new MadeMachine("two", "one"), new MadeMachine("one", "two")]) {
    assertProblem(
      await control.post("/v1/enroll/finish", other.finish(await begin())),
      403,
      "enrollment_proof_invalid",
    );
  }
  const begun = await begin();
  assertProblem(
    await control.post("/v1/enroll/finish", one.finish({ ...begun, agent_id: two.agentId })),
    403,
    "enrollment_proof_invalid",
  );
  const first = await begin();
  const second = await begin();
  const crossed = { ...one.finish(first), enrollment_id: second.enrollment_id };
  assertProblem(await control.post("/v1/enroll/finish", crossed), 403, "enrollment_proof_invalid");
  const { actor, ek_sha256 } = await lastAudit(control);
  assert.deepEqual([actor, ek_sha256], [one.agentId, one.ekSha256]);
  assert.equal((await control.post("/v1/enroll/finish", one.finish(first))).status, 200);
});

Deno.test("POST /v1/enroll/finish takes each enrollment once and within its time: enrollment_unknown, enrollment_expired", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const begin = async () => one.finish((await control.post("/v1/enroll/begin", one.begin(token))).json);
  const body = await begin();
  const wrong = { ...body, proof: "A".repeat(43) };
  assertProblem(await control.post("/v1/enroll/finish", wrong), 403, "enrollment_proof_invalid");
  assertProblem(await control.post("/v1/enroll/finish", body), 403, "enrollment_unknown");
  const late = await begin();
  control.clock.advance(60_000);
  assertProblem(await control.post("/v1/enroll/finish", late), 403, "enrollment_expired");
  assertProblem(await control.post("/v1/enroll/finish", late), 403, "enrollment_unknown");
  const whole = await begin();
  assert.equal((await control.post("/v1/enroll/finish", whole)).status, 200);
  assertProblem(await control.post("/v1/enroll/finish", whole), 403, "enrollment_unknown");
  assert.equal((await control.store.machines(9)).length, 1);
});

Deno.test("enrollment goes on after any step was lost, with the same token, and changes nothing twice", async () => {
  await using control = await open();
  const token = await tokenFor(control, { labels: ["prod"] });
  await control.post("/v1/enroll/begin", one.begin(token)); // the answer is lost
  assert.equal((await one.enroll(control, token)).status, 200); // this one too
  control.clock.advance(1_000);
  const { status, json } = await one.enroll(control, token);
  assert.deepEqual([status, json.labels], [200, ["prod"]]);
  assert.equal((await lastAudit(control)).reason, "renewed");
  assert.equal((await control.store.machine(one.agentId))?.enrolledAtMs, Date.UTC(2026, 0, 1));
  const other = await tokenFor(control);
  assert.deepEqual((await one.enroll(control, other)).json.labels, ["prod"], "labels are kept");
  const relabel = await tokenFor(control, { labels: [] });
  assert.deepEqual((await one.enroll(control, relabel)).json.labels, []);
});

Deno.test("two enrollments of one machine at once are one machine; another AK for its EK is refused: machine_key_changed", async () => {
  await using control = await open();
  const [first, second] = [await tokenFor(control), await tokenFor(control)];
  const answers = await Promise.all([one.enroll(control, first), one.enroll(control, second)]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
  assert.equal((await control.store.machines(9)).length, 1);
  const third = await tokenFor(control);
  assertProblem(await new MadeMachine("one", "other").enroll(control, third), 409, "machine_key_changed");
  assert.equal((await two.enroll(control, third)).status, 200, "the token was not spent");
});

Deno.test("a hundred machines at once with one token are one machine", async () => {
  await using control = await open();
  const token = await tokenFor(control, { labels: ["prod"] });
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => new MadeMachine(`m${n}`).enroll(control, token, `192.0.2.${n}`)),
  );
  const codes = answers.map(({ status, json }) => status === 200 ? "ok" : json.code);
  assert.equal(codes.filter((code) => code === "ok").length, 1);
  const others = new Set(codes.filter((code) => code !== "ok"));
  for (const code of others) {
    assert.ok(["enrollment_limit_reached", "enrollment_token_refused"].includes(code), code);
  }
  assert.equal((await control.store.machines(9)).length, 1);
});

Deno.test("enrollments are bounded: of one token, of all, of machines and of one address", async () => {
  const limits = { ...defaultLimits, maxMachines: 1 };
  await using control = await open({ config: { limits }, store: { maxOpenEnrollments: 10 } });
  const token = await tokenFor(control);
  const begin = (shown: string, clientIp: string) =>
    control.post("/v1/enroll/begin", one.begin(shown), undefined, clientIp);
  for (let n = 0; n < 8; n++) assert.equal((await begin(token, "192.0.2.1")).status, 200);
  assertProblem(await begin(token, "192.0.2.1"), 429, "enrollment_limit_reached");
  const other = await tokenFor(control);
  for (let n = 0; n < 2; n++) assert.equal((await begin(other, "192.0.2.1")).status, 200);
  assertProblem(await begin(other, "192.0.2.1"), 503, "enrollments_full");
  control.clock.advance(60_000);
  assert.equal((await one.enroll(control, other)).status, 200);
  assertProblem(await two.enroll(control, token), 503, "machine_limit_reached");
  let last = await begin(token, "192.0.2.9");
  for (let n = 0; n < 60; n++) last = await begin("enroll.x.y", "192.0.2.9");
  assertProblem(last, 429, "rate_limited");
});

Deno.test("strangers cannot push the audit out: their refusals have a budget, those of token holders have none", async () => {
  await using control = await open();
  const token = await tokenFor(control, { ek_sha256: one.ekSha256 });
  const count = async (outcome: string) =>
    (await control.store.auditEntries(1_000)).filter((entry) => entry.outcome === outcome).length;
  const shown = `enroll.${"B".repeat(12)}.${"B".repeat(43)}`;
  for (let n = 0; n < 100; n++) {
    await control.post("/v1/enroll/begin", two.begin(shown), undefined, `192.0.2.${n}`);
    await control.post("/v1/enroll/begin", two.begin(token), undefined, `198.51.100.${n}`);
  }
  assert.equal(await count("enrollment_token_refused"), 60);
  assert.equal(await count("enrollment_token_foreign"), 100);
});

Deno.test("no secret of an enrollment is written down: token, activation secret, proof", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const begun = (await control.post("/v1/enroll/begin", one.begin(token))).json;
  const body = one.finish(begun);
  const dump = async () => {
    const kept = [
      await control.store.enrollmentToken(token.split(".")[1]),
      await control.store.takeOpenEnrollment(begun.enrollment_id),
      await control.store.auditEntries(100),
      control.logged,
    ];
    return JSON.stringify(kept);
  };
  const text = await dump();
  for (const secret of [token.split(".")[2], body.proof]) assert.equal(text.includes(secret), false);
  assert.equal(JSON.stringify(begun).includes(body.proof), false);
});

Deno.test("POST /v1/enroll/tokens is for operators: authorization_required, role_insufficient, enrollment_tokens_full", async () => {
  await using control = await open({ store: { maxEnrollmentTokens: 2 } });
  const ask = (body: unknown, token?: string) => control.post("/v1/enroll/tokens", body, token);
  assertProblem(await ask({}), 401, "authorization_required");
  assertProblem(await ask({}, await control.tokenOf("alice")), 403, "role_insufficient");
  const operator = await control.tokenOf("ops", "operator");
  for (
    const body of [
      { labels: ["Prod"] },
      { labels: ["-a"] },
      { labels: new Array(33).fill("a") },
      { ek_sha256: "AB".repeat(32) },
      { ttl_seconds: 59 },
      { ttl_seconds: 31 * 86_400 },
    ]
  ) assertProblem(await ask(body, operator), 400, "request_invalid");
  const { status, json } = await ask({ labels: ["b", "a", "b"], ttl_seconds: 120 }, operator);
  assert.equal(status, 200);
  assert.match(json.token, /^enroll\.[\w-]{12}\.[\w-]{43}$/);
  assert.deepEqual([json.labels, json.expires_at], [["a", "b"], "2026-01-01T00:02:00.000Z"]);
  assert.equal(json.token_id, json.token.split(".")[1]);
  assert.equal((await ask({ management_token: operator })).json.expires_at, "2026-01-01T01:00:00.000Z");
  assertProblem(await ask({}, operator), 503, "enrollment_tokens_full");
});

Deno.test("a node's token that is bound to a TPM lets the node in by that TPM only: enrollment_ek_proof_missing", async () => {
  await using control = await open();
  const token = await tokenFor(control, { role: "connector", id: "c1", ek_sha256: one.ekSha256 });
  const csr = toBase64Url(await makeCsr(await makeKeys()));
  const enroll = (proof: object = {}, by = csr) =>
    control.post("/v1/identity/enroll", { token, csr: by, ...proof });
  const begin = async (machine = one, by = token) =>
    await control.post("/v1/enroll/begin", machine.begin(by));
  assertProblem(await enroll(), 403, "enrollment_ek_proof_missing");
  assertProblem(await enroll({ enrollment_id: "x" }), 400, "request_invalid");
  assertProblem(await begin(two), 403, "enrollment_token_foreign");
  // The same EK, but begun to let the machine in; and the other way round.
  const ofMachine = await tokenFor(control, { ek_sha256: one.ekSha256 });
  assertProblem(await enroll(one.finish((await begin(one, ofMachine)).json)), 403, "enrollment_unknown");
  const asMachine = await control.post("/v1/enroll/finish", one.finish((await begin()).json));
  assertProblem(asMachine, 403, "enrollment_token_refused");
  // A proof by the wrong TPM, a late one, one of another token of the same TPM.
  assertProblem(await enroll(two.finish((await begin()).json)), 403, "enrollment_proof_invalid");
  const late = one.finish((await begin()).json);
  control.clock.advance(60_000);
  assertProblem(await enroll(late), 403, "enrollment_expired");
  const another = await tokenFor(control, { role: "connector", id: "c2", ek_sha256: one.ekSha256 });
  assertProblem(await enroll(one.finish((await begin(one, another)).json)), 403, "enrollment_unknown");

  const proof = one.finish((await begin()).json);
  const { status, json } = await enroll(proof);
  assert.equal(status, 200, JSON.stringify(json));
  assert.equal(json.spiffe_id, "spiffe://tunnel.example/connector/c1");
  const line = await lastAudit(control);
  assert.deepEqual([line.action, line.outcome, line.ek_sha256], ["identity.enroll", "ok", one.ekSha256]);
  assertProblem(await enroll(proof), 403, "enrollment_unknown");
  assert.equal((await enroll(one.finish((await begin()).json))).status, 200, "the same key may come again");
  const other = toBase64Url(await makeCsr(await makeKeys()));
  assertProblem(await enroll(one.finish((await begin()).json), other), 403, "enrollment_token_refused");
});
