import assert from "node:assert/strict";
import { toBase64Url } from "../../src/bytes/mod.ts";
import {
  checkPeerCertificate,
  makeCsr,
  readNodeCertificate,
  verifyRevocations,
  verifyTrustBundle,
} from "../../src/pki/mod.ts";
import { MadeCluster, makeKeys } from "../support/made_cluster.ts";
import { MemoryVault } from "../support/memory_vault.ts";
import { enrolledNode, identityOf, nodeToken, renewal, renewedOf } from "./nodes.ts";
import { type Answer, openControl } from "./support.ts";

function refused(answer: Answer, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.json.code], [status, code], JSON.stringify(answer.json));
}

const lines = async (control: Awaited<ReturnType<typeof openControl>>) =>
  (await control.store.auditEntries(100)).map(({ action, subject, outcome }) =>
    `${action} ${subject} ${outcome}`
  );

Deno.test("POST /v1/identity/enroll gives each role its certificate, for the life of its role", async () => {
  await using control = await openControl();
  for (
    const [role, id, seconds] of [
      ["connector", "c1", 300],
      ["tunneler", "t1", 1_800],
      ["edge", "e1", 86_400],
      ["control", "x1", 86_400],
    ] as const
  ) {
    const held = await enrolledNode(control, role, id);
    const { list } = await control.deps.identities.revocations();
    const peer = checkPeerCertificate(held.chain, held.bundle, list, {
      nowMs: control.clock.wall(),
      usage: "server",
      expectedRole: role,
      expectedId: id,
    });
    assert.equal(peer.spiffeId, `spiffe://tunnel.example/${role}/${id}`);
    assert.equal(peer.endsAtMs - control.clock.wall(), seconds * 1_000);
    const record = await control.store.nodeCertificate(peer.serial);
    assert.deepEqual([record?.nodeId, record?.keySha256], [id, peer.keySha256]);
  }
  assert.ok((await lines(control)).includes("identity.enroll connector/c1 ok"));
});

Deno.test("POST /v1/identity/enroll: a token lets one key in, which may come again; replays are refused and audited", async () => {
  await using control = await openControl();
  const token = await nodeToken(control, "connector", "c1");
  const [mine, theirs] = [await makeKeys(), await makeKeys()];
  const enroll = async (keys: CryptoKeyPair, shown = token) =>
    await control.post("/v1/identity/enroll", { token: shown, csr: toBase64Url(await makeCsr(keys)) });
  assert.equal((await enroll(mine)).status, 200);
  assert.equal((await enroll(mine)).status, 200, "its first answer may have been lost");
  refused(await enroll(theirs), 403, "enrollment_token_refused");
  refused(
    await enroll(theirs, token.replace(/\.[^.]{43}\./, `.${"A".repeat(43)}.`)),
    403,
    "enrollment_token_refused",
  );
  refused(await enroll(theirs, "enroll.x"), 400, "enrollment_token_malformed");
  const entry = (await control.store.auditEntries(10)).find(({ detail }) =>
    detail.reason?.toString().includes("another key")
  );
  assert.deepEqual([entry?.action, entry?.subject, entry?.outcome], [
    "identity.enroll",
    "connector/c1",
    "enrollment_token_refused",
  ]);
});

Deno.test("a hundred use one token at once: one gets in", async () => {
  await using control = await openControl();
  const token = await nodeToken(control, "connector", "c1");
  const csrs = await Promise.all(
    Array.from({ length: 100 }, async () => toBase64Url(await makeCsr(await makeKeys()))),
  );
  const answers = await Promise.all(
    csrs.map((csr, n) => control.post("/v1/identity/enroll", { token, csr }, undefined, `192.0.${n}.1`)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal(answers.filter(({ json }) => json.code === "enrollment_token_refused").length, 99);
  assert.equal((await control.store.nodeIdentities({ limit: 10 })).length, 1);
});

Deno.test("POST /v1/identity/enroll refuses tokens that are over or for machines, other names, and too many nodes", async () => {
  await using control = await openControl();
  const csr = toBase64Url(await makeCsr(await makeKeys()));
  const token = await nodeToken(control, "connector", "c1", 60);
  const other = await makeCsr(await makeKeys(), { trustDomain: "tunnel.example", role: "edge", id: "c1" });
  refused(
    await control.post("/v1/identity/enroll", { token, csr: toBase64Url(other) }),
    400,
    "csr_name_mismatch",
  );
  refused(await control.post("/v1/identity/enroll", { token, csr: "AAAA" }), 400, "csr_malformed");
  control.clock.advance(60_000);
  refused(await control.post("/v1/identity/enroll", { token, csr }), 403, "enrollment_token_expired");
  const operator = await control.tokenOf("ops", "operator");
  const machine = (await control.post("/v1/enroll/tokens", {}, operator)).json.token;
  refused(
    await control.post("/v1/identity/enroll", { token: machine, csr }),
    403,
    "enrollment_token_refused",
  );

  await using small = await openControl({
    config: { limits: { ...control.deps.config.limits, maxNodes: 1 } },
  });
  await enrolledNode(small, "connector", "c1");
  const second = await nodeToken(small, "connector", "c2");
  refused(await small.post("/v1/identity/enroll", { token: second, csr }), 503, "identity_limit_reached");
});

Deno.test("POST /v1/enroll/tokens takes role and id together, with labels or the key of a TPM", async () => {
  await using control = await openControl();
  const operator = await control.tokenOf("ops", "operator");
  const ask = (body: object) => control.post("/v1/enroll/tokens", body, operator);
  for (
    const body of [
      { role: "connector" },
      { id: "c1" },
      { role: "owner", id: "c1" },
      { role: "edge", id: "a/b" },
      { role: "edge", id: "e1", ek_sha256: "a" },
    ]
  ) {
    refused(await ask(body), 400, "request_invalid");
  }
  const { json } = await ask({ role: "edge", id: "e1" });
  assert.deepEqual([json.role, json.id], ["edge", "e1"]);
  assert.match(json.token, /^enroll\.[^.]{12}\.[^.]{43}\.[^.]{43}$/);
  const bound = { role: "edge", id: "e2", labels: ["a"], ek_sha256: "a".repeat(64) };
  const { json: { labels, ek_sha256 } } = await ask(bound);
  assert.deepEqual({ ...bound, labels, ek_sha256 }, bound);
});

Deno.test("POST /v1/identity/renew goes on with another key, and from the one before it after a lost answer", async () => {
  await using control = await openControl();
  const first = await enrolledNode(control);
  control.clock.advance(200_000);
  const [two, three] = [await makeKeys(), await makeKeys()];
  const second = await renewal(control, first, { keys: two });
  assert.equal(second.status, 200, JSON.stringify(second.json));
  const again = await renewal(control, first, { keys: three });
  assert.equal(again.status, 200, "the answer was lost");
  const [line] = await control.store.auditEntries(1);
  assert.deepEqual([line.action, line.subject, line.outcome], ["identity.renew", "connector/c1", "ok"]);
  assert.match(String(line.detail.reason), /^by the key before/);
  refused(await renewal(control, renewedOf(first, two, second)), 403, "identity_superseded");
  const held = renewedOf(first, three, again);
  assert.equal((await renewal(control, held)).status, 200);
  assert.notEqual(
    readNodeCertificate(held.certificate).serial,
    readNodeCertificate(first.certificate).serial,
  );
});

Deno.test("POST /v1/identity/renew refuses proofs of other keys, used, foreign and old nonces", async () => {
  await using control = await openControl();
  const held = await enrolledNode(control);
  const stranger = await makeKeys();
  refused(await renewal(control, held, { proofBy: stranger.privateKey }), 403, "renewal_proof_invalid");
  const { nonce } = (await control.post("/v1/identity/nonce", {})).json;
  assert.equal((await renewal(control, held, { nonce })).status, 200);
  refused(await renewal(control, held, { nonce }), 403, "renewal_nonce_invalid");
  refused(
    await renewal(control, held, { nonce: toBase64Url(new Uint8Array(40)) }),
    403,
    "renewal_nonce_invalid",
  );
  refused(await renewal(control, held, { nonce: "=" }), 403, "renewal_nonce_invalid");
  const late = (await control.post("/v1/identity/nonce", {})).json.nonce;
  control.clock.advance(60_000);
  refused(await renewal(control, held, { nonce: late }), 403, "renewal_nonce_invalid");
});

Deno.test("POST /v1/identity/renew: an ended identity is renewed by its key for the grace time: identity_expired after it", async () => {
  await using control = await openControl();
  const held = await enrolledNode(control);
  const { graceMs } = control.deps.config.identity;
  control.clock.advance(300_000 + graceMs - 60_000);
  const late = await renewal(control, held);
  assert.equal(late.status, 200, JSON.stringify(late.json));
  control.clock.advance(300_000 + graceMs);
  refused(await renewal(control, renewedOf(held, held.keys, late)), 403, "identity_expired");
});

Deno.test("POST /v1/identity/renew refuses what another cluster issued, and nodes that are not known", async () => {
  await using control = await openControl();
  await enrolledNode(control);
  const other = await MadeCluster.make("tunnel.example", control.clock.wall());
  const foreign = await other.node("connector", "c1");
  const held = {
    keys: foreign.keys,
    chain: foreign.chain,
    certificate: foreign.leaf.bytes,
    bundle: other.bundle(),
  };
  refused(await renewal(control, held), 403, "peer_chain_untrusted");
  const { certificate } = await control.deps.identities.issue(
    { role: "edge", id: "e9" },
    foreign.keys.spki,
    60_000,
  );
  const unknown = { ...held, certificate: certificate.bytes };
  refused(await renewal(control, unknown), 403, "identity_unknown");
});

Deno.test("POST /v1/revocations takes back a node: no renewal, no enrollment, and on the signed list", async () => {
  await using control = await openControl();
  const held = await enrolledNode(control);
  const operator = await control.tokenOf("ops", "operator");
  const revoke = (body: object, token = operator) => control.post("/v1/revocations", body, token);
  const value = "spiffe://tunnel.example/connector/c1";
  refused(await revoke({ kind: "id", value: "c1", reason: "x" }), 400, "request_invalid");
  refused(
    await revoke({ kind: "id", value, reason: "x" }, await control.tokenOf("bob")),
    403,
    "role_insufficient",
  );
  const done = await revoke({ kind: "id", value, reason: "stolen" });
  assert.deepEqual(done.json, { revoked: true, kind: "id", value, already: false });
  assert.equal((await revoke({ kind: "id", value, reason: "stolen" })).json.already, true);
  refused(await renewal(control, held), 403, "peer_certificate_revoked");
  const token = await nodeToken(control, "connector", "c1");
  const csr = toBase64Url(await makeCsr(await makeKeys()));
  refused(await control.post("/v1/identity/enroll", { token, csr }), 403, "peer_certificate_revoked");
  const list = verifyRevocations(
    (await control.get("/v1/revocations")).json,
    held.bundle,
    control.clock.wall(),
  );
  assert.deepEqual(list.entries.map(({ kind, value, severity }) => [kind, value, severity]), [[
    "id",
    value,
    "cut",
  ]]);
  assert.ok((await lines(control)).includes(`identity.revoke ${value} ok`));
  const key = readNodeCertificate((await enrolledNode(control, "edge", "e1")).certificate).keySha256;
  assert.equal((await revoke({ kind: "key", value: key, reason: "copied", severity: "drain" })).status, 200);
});

Deno.test("GET /v1/trust-bundle: who joins with the root's key issues by its own CA; who has no key serves what others signed", async () => {
  const vault = new MemoryVault();
  await using control = await openControl({ vault });
  const held = await enrolledNode(control);
  const { NodeAuthorities } = await import("../../src/control/mod.ts");
  const second = await NodeAuthorities.open({
    ...control.deps,
    trustDomain: "tunnel.example",
    vault: vault.copy("issuing"),
  });
  assert.notEqual(second.issuer?.sha256, control.deps.identities.issuer?.sha256);
  control.clock.advance(6_000);
  const answer = (await control.get("/v1/trust-bundle?after=1")).json;
  assert.equal(answer.version, 2);
  const bundle = verifyTrustBundle(answer.trust_bundles[0], held.bundle, control.clock.wall());
  assert.deepEqual(bundle.issuers.length, 2);

  await control.get("/v1/revocations");
  const third = await NodeAuthorities.open({
    ...control.deps,
    trustDomain: "tunnel.example",
    vault: new MemoryVault(),
  });
  assert.equal(third.issuer, undefined);
  assert.equal((await third.revocations()).list.bundleVersion, 2);
  await assert.rejects(third.issue({ role: "edge", id: "e" }, (await makeKeys()).spki, 60_000), {
    code: "ca_unavailable",
  });
  await assert.rejects(
    NodeAuthorities.open({ ...control.deps, trustDomain: "other.example", vault }),
    { code: "ca_state_unusable" },
  );
});

Deno.test("POST /v1/identity/renew works without the root's key: it may be offline", async () => {
  const vault = new MemoryVault();
  await using control = await openControl({ vault });
  for (const der of await vault.certificates("root")) {
    await vault.remove("root", readNodeCertificate(der).sha256);
  }
  const held = await enrolledNode(control);
  assert.equal((await renewal(control, held)).status, 200);
  const token = await nodeToken(control, "edge", "e1");
  const keys = await makeKeys();
  const answer = await control.post("/v1/identity/enroll", { token, csr: toBase64Url(await makeCsr(keys)) });
  assert.equal(identityOf(control, token, keys, answer).bundle.version, 1);
});

Deno.test("renewals are a line of the audit once an hour for each node, refusals always", async () => {
  await using control = await openControl();
  const held = await enrolledNode(control);
  for (let n = 0; n < 3; n++) {
    control.clock.advance(60_000);
    assert.equal((await renewal(control, held)).status, 200);
  }
  const count = async () =>
    (await lines(control)).filter((line) => line === "identity.renew connector/c1 ok").length;
  assert.equal(await count(), 0);
  control.clock.advance(3_600_000);
  await renewal(control, held);
  assert.equal(await count(), 1);
});
