import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import {
  type RevocationList,
  revocationOf,
  revokedValue,
  signRevocations,
  signTrustBundle,
  verifyRevocations,
} from "../../src/pki/mod.ts";
import { MadeCluster } from "../support/made_cluster.ts";

function refused(code: string, action: () => unknown): void {
  assert.throws(action, (error) => (assert.equal(codeOf(error), code), true));
}

Deno.test("verifyRevocations() gives what an issuing CA of the held bundle signed", async () => {
  const cluster = await MadeCluster.make();
  const { issuing, root, nowMs } = cluster;
  const bundle = cluster.bundle();
  const list = cluster.revocations({ kind: "serial", value: "ab", severity: "drain" });
  const document = await signRevocations(list, issuing);
  assert.deepEqual(verifyRevocations(document, bundle, nowMs), list);
  const byRoot = await signRevocations(list, root);
  refused("revocations_unproven", () => verifyRevocations(byRoot, bundle, nowMs));
  const next = await signRevocations(list, await cluster.another());
  refused("revocations_unproven", () => verifyRevocations(next, bundle, nowMs));
  const foreign = await signRevocations({ ...list, trustDomain: "other.test" }, issuing);
  refused("revocations_unproven", () => verifyRevocations(foreign, bundle, nowMs));
  const bundleDocument = await signTrustBundle(bundle, [issuing]);
  refused("revocations_malformed", () => verifyRevocations(bundleDocument, bundle, nowMs));
  refused("revocations_malformed", () => verifyRevocations("", bundle, nowMs));
});

Deno.test("verifyRevocations() refuses a list that is older than the held one: revocations_rollback", async () => {
  const cluster = await MadeCluster.make();
  const { issuing, nowMs } = cluster;
  const list = cluster.revocations();
  const verify = async (offered: Partial<RevocationList>, held: Partial<RevocationList>) => {
    const document = await signRevocations({ ...list, ...offered }, issuing);
    return verifyRevocations(document, cluster.bundle(), nowMs, { ...list, ...held });
  };
  await verify({}, {});
  await assert.rejects(verify({}, { version: 9 }), (error) => codeOf(error) === "revocations_rollback");
  await assert.rejects(
    verify({}, { issuedAtMs: nowMs + 1 }),
    (error) => codeOf(error) === "revocations_rollback",
  );
});

Deno.test("revocationOf() finds what cuts before what drains", async () => {
  const cluster = await MadeCluster.make();
  const { leaf } = await cluster.node("connector", "c1");
  const id = { trustDomain: "tunnel.test", role: "connector", id: "c1" } as const;
  const drains = { kind: "id", value: "spiffe://tunnel.test/connector/c1", severity: "drain" } as const;
  const cuts = { kind: "serial", value: leaf.serial, severity: "cut" } as const;
  assert.equal(revocationOf(cluster.revocations(), leaf, id), undefined);
  assert.equal(revocationOf(cluster.revocations(drains), leaf, id)?.severity, "drain");
  assert.equal(revocationOf(cluster.revocations(drains, cuts), leaf, id)?.severity, "cut");
});

Deno.test("revokedValue() has one spelling for each, and none for what names nothing", () => {
  assert.equal(revokedValue("serial", "00:0A:1b"), "a1b");
  assert.equal(revokedValue("serial", "x"), undefined);
  assert.equal(revokedValue("key", "AB".repeat(32)), "ab".repeat(32));
  assert.equal(revokedValue("key", "ab"), undefined);
  assert.equal(revokedValue("id", "spiffe://tunnel.test/edge/e1"), "spiffe://tunnel.test/edge/e1");
  assert.equal(revokedValue("id", "e1"), undefined);
});
