import assert from "node:assert/strict";
import { advanceRotation, startRotation } from "../../src/control/ca_rotation.ts";
import { importIssuing, requestIssuing } from "../../src/control/ca_request.ts";
import { der } from "../../src/bytes/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import {
  type Authority,
  issueAuthority,
  issueNode,
  pemOfChain,
  readCsr,
  readNodeCertificate,
} from "../../src/pki/mod.ts";
import { MadeCluster, makeKeys } from "../support/made_cluster.ts";
import { MemoryVault } from "../support/memory_vault.ts";
import { enrolledNode, renewal } from "./nodes.ts";
import { openControl } from "./support.ts";

const dayMs = 86_400_000;
const random = systemRandom;

/** A control whose root's key was taken away, and that key. */
async function offline() {
  const vault = new MemoryVault();
  const control = await openControl({ vault });
  const { certificate } = control.deps.identities.bundle.roots[0];
  const privateKey = await vault.privateKey("root", certificate.sha256);
  await vault.remove("root", certificate.sha256);
  const root: Authority = { certificate, privateKey: privateKey! };
  const nowMs = control.clock.wall();
  const validity = { notBeforeMs: nowMs - 60_000, notAfterMs: nowMs + 365 * dayMs };
  return { control, vault, root, validity };
}

Deno.test("an issuing CA is requested, certified where the root is, imported, and rotated to without the root's key", async () => {
  const { control, root, validity } = await offline();
  await using _control = control;
  const { deps, clock } = control;
  const operator = await control.tokenOf("ops", "operator");
  const member = await control.tokenOf("alice");
  const held = await enrolledNode(control, "tunneler", "t1");
  assert.equal((await control.post("/api/admin/ca/rotate", {}, operator)).json.code, "ca_root_offline");
  assert.equal(
    (await control.post("/api/admin/ca/request", {}, member)).json.code,
    "role_insufficient",
  );

  const { request } = (await control.post("/api/admin/ca/request", {}, operator)).json;
  assert.equal(
    (await control.post("/api/admin/ca/request", {}, operator)).json.request,
    request,
    "the same key waits",
  );
  const { publicKey, uris } = readCsr(der.fromPem(request));
  assert.deepEqual(uris, ["spiffe://tunnel.example/control/issuing-ca"]);
  const issuing = await issueAuthority(root, "tunnel.example", publicKey, validity, random);
  const certificate = pemOfChain([issuing.bytes]);
  assert.equal(
    (await control.post("/api/admin/ca/import", { certificate }, member)).json.code,
    "role_insufficient",
  );
  const started = await control.post("/api/admin/ca/import", { certificate }, operator);
  assert.equal(started.status, 200, JSON.stringify(started.json));
  assert.deepEqual([started.json.rotation.stage, started.json.rotation.to], ["published", issuing.sha256]);
  const twice = await control.post("/api/admin/ca/import", { certificate }, operator);
  assert.equal(twice.json.code, "ca_rotation_running");

  clock.advance(deps.config.identity.publishMs);
  assert.equal(await advanceRotation(deps), "activated");
  const renewed = await renewal(control, held);
  assert.equal(renewed.status, 200, JSON.stringify(renewed.json));
  assert.equal(deps.identities.issuer?.sha256, issuing.sha256);
  clock.advance(120_000);
  assert.equal(await advanceRotation(deps), "waiting");
  clock.advance(60_000);
  assert.equal(await advanceRotation(deps), "retired");
  assert.deepEqual(
    (await control.store.auditEntries(50)).filter(({ action }) => action.startsWith("ca.")).map((
      { actor, action },
    ) => `${action} ${actor}`).toReversed(),
    ["ca.request ops", "ca.request ops", "ca.rotate ops", "ca.rotate control", "ca.rotate control"],
  );
});

Deno.test("importIssuing() refuses what would not be an issuing CA of this cluster and this control: ca_certificate_refused", async () => {
  const { control, root, validity } = await offline();
  await using _control = control;
  const { deps } = control;
  const { publicKey } = readCsr(await requestIssuing(deps, "ops"));
  const stranger = await MadeCluster.make();
  const nowMs = control.clock.wall();
  const make = (above: Authority, key: Uint8Array, life = validity) =>
    issueAuthority(above, "tunnel.example", key, life, random);
  const cases: [RegExp, Uint8Array][] = [
    [/no root of the trust bundle/, (await make(stranger.root, publicKey)).bytes],
    [/key that waits/, (await make(root, (await makeKeys()).spki)).bytes],
    [/one day at least/, (await make(root, publicKey, { ...validity, notAfterMs: nowMs + dayMs / 2 })).bytes],
    [
      /one day at least/,
      (await make(root, publicKey, { notBeforeMs: nowMs + dayMs, notAfterMs: nowMs + 9 * dayMs })).bytes,
    ],
    [
      /has to be an authority/,
      (await issueNode(
        root,
        { trustDomain: "tunnel.example", role: "control", id: "x" },
        publicKey,
        validity,
        random,
      )).bytes,
    ],
  ];
  for (const [state, bytes] of cases) {
    await assert.rejects(importIssuing(deps, "ops", bytes), (error) => {
      assert.equal(codeOf(error), "ca_certificate_refused");
      assert.match((error as Error).message, state);
      return true;
    });
  }
  assert.equal(deps.identities.state.rotation, undefined);
  const good = await make(root, publicKey);
  const { to } = await importIssuing(deps, "ops", good.bytes);
  assert.equal(to, readNodeCertificate(good.bytes).sha256);
});

Deno.test("importIssuing() takes no issuing CA that is in the bundle, nor another one of its key: ca_certificate_refused", async () => {
  const { control, root, validity } = await offline();
  await using _control = control;
  const { deps } = control;
  const operator = await control.tokenOf("ops", "operator");
  const issuer = deps.identities.issuer!;
  const resigned = await issueAuthority(root, "tunnel.example", issuer.key.spki, validity, random);
  assert.notEqual(resigned.sha256, issuer.sha256);
  for (const { bytes } of [issuer, resigned]) {
    const answer = await control.post("/api/admin/ca/import", { certificate: pemOfChain([bytes]) }, operator);
    assert.deepEqual([answer.status, answer.json.code], [400, "ca_certificate_refused"]);
    assert.match(answer.json.detail, /in the trust bundle already/);
    await assert.rejects(
      startRotation(deps, "ops", "issuing", readNodeCertificate(bytes)),
      (error) => codeOf(error) === "ca_certificate_refused",
    );
  }
  assert.equal(deps.identities.state.rotation, undefined);
  assert.equal(deps.identities.bundle.issuers.length, 1);
  await enrolledNode(control, "tunneler", "t1");
});
