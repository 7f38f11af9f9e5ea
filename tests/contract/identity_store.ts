/** What every store must do with node identities. */
import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import type { NodeCertificate, RevokedIdentityRecord, Store } from "../../src/ports/mod.ts";
import { enrollmentOf, machineTokenOf } from "./machine_store.ts";
import { contractLimits, contractStartMs, type StoreHarness } from "./store.ts";

const certificateOf = (n: number, change: Partial<NodeCertificate> = {}): NodeCertificate => ({
  serial: `4${n.toString(16).padStart(31, "0")}`,
  role: "connector",
  nodeId: "c1",
  issuerSha256: "a".repeat(64),
  keySha256: n.toString(16).padStart(64, "0"),
  issuedAtMs: contractStartMs + n,
  notAfterMs: contractStartMs + 300_000,
  ...change,
});
const nodeToken = (tokenId: string, id = "c1", role = "connector") =>
  machineTokenOf(tokenId, { node: { role, id } });
const revokedOf = (change: Partial<RevokedIdentityRecord> = {}): RevokedIdentityRecord => ({
  kind: "serial",
  value: "ab",
  severity: "drain",
  atMs: contractStartMs,
  by: "ops",
  reason: "lost",
  ...change,
});

/** Registers the suite for one kind of store. */
export function identityStoreContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store, harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(contractStartMs);
      await body(await harness.open(), harness);
    });

  test("allowNodes() keeps rules until they are disallowed, and every change is another revision", async (store) => {
    const rule = (connector: string, tunneler = "*") => ({
      connector,
      tunneler,
      addedBy: "ops",
      addedAtMs: contractStartMs,
    });
    assert.deepEqual(await store.nodeAccess(), { revision: 0, value: { rules: [], labelled: [] } });
    assert.equal(await store.allowNodes(rule("c2")), true);
    assert.equal(await store.allowNodes(rule("c1", "B")), true);
    assert.equal(await store.allowNodes(rule("c1", "B")), false);
    assert.equal(await store.allowNodes(rule("c1", "a")), true);
    assert.equal(await store.nodeAccessRevision(), 3);
    await assert.rejects(store.allowNodes(rule("c3")), (error) => codeOf(error) === "node_rules_full");
    const { revision, value } = await store.nodeAccess();
    assert.equal(revision, 3);
    assert.deepEqual(value.rules, [rule("c1", "B"), rule("c1", "a"), rule("c2")]);
    assert.equal(await store.disallowNodes("c1", "B"), true);
    assert.equal(await store.disallowNodes("c1", "B"), false);
    assert.equal(await store.nodeAccessRevision(), 4);
  });

  test("enrollNode() gives a node the labels of its token, and keeps them where a later one says none", async (store) => {
    const labelled = async (n: number, labels?: readonly string[]) => {
      await store.putEnrollmentToken({ ...nodeToken(`t${n}`), labels });
      assert.equal(await store.enrollNode(`t${n}`, certificateOf(n), 9), "enrolled");
      return (await store.nodeIdentity("connector", "c1"))?.labels;
    };
    assert.deepEqual(await labelled(1), []);
    assert.equal(await store.nodeAccessRevision(), 0);
    assert.deepEqual(await labelled(2, ["eu", "rack"]), ["eu", "rack"]);
    assert.deepEqual(await labelled(3), ["eu", "rack"]);
    assert.equal(await store.nodeAccessRevision(), 1);
    const { value: { labelled: nodes } } = await store.nodeAccess();
    assert.deepEqual(nodes, [{ role: "connector", nodeId: "c1", labels: ["eu", "rack"] }]);
    assert.deepEqual(await labelled(4, []), []);
    assert.deepEqual(await store.nodeAccess(), { revision: 2, value: { rules: [], labelled: [] } });
  });

  test("saveAuthorities() has one writer for each revision", async (store) => {
    assert.equal(await store.loadAuthorities(), undefined);
    assert.equal(await store.saveAuthorities("a", 0), true);
    assert.equal(await store.saveAuthorities("b", 0), false);
    assert.equal(await store.saveAuthorities("b", 1), true);
    assert.equal(await store.saveAuthorities("c", 1), false);
    assert.deepEqual(await store.loadAuthorities(), { revision: 2, value: "b" });
  });

  test("enrollNode() spends the token of this role and id for one key, which may come again", async (store) => {
    await store.putEnrollmentToken(nodeToken("t1"));
    assert.deepEqual((await store.enrollmentToken("t1"))?.node, { role: "connector", id: "c1" });
    for (const other of [{ role: "tunneler" }, { nodeId: "c2" }]) {
      assert.equal(await store.enrollNode("t1", certificateOf(1, other), 9), "token_refused");
    }
    assert.equal(await store.enrollNode("t2", certificateOf(1), 9), "token_refused");
    assert.equal(await store.enrollNode("t1", certificateOf(1), 9), "enrolled");
    assert.deepEqual(await store.nodeCertificate(certificateOf(1).serial), certificateOf(1));
    const again = certificateOf(2, { keySha256: certificateOf(1).keySha256 });
    assert.equal(await store.enrollNode("t1", again, 9), "enrolled");
    assert.equal(await store.enrollNode("t1", certificateOf(3), 9), "token_refused");
    assert.equal(await store.nodeCertificate(certificateOf(3).serial), undefined);
    assert.deepEqual(await store.nodeIdentity("connector", "c1"), {
      role: "connector",
      nodeId: "c1",
      labels: [],
      keySha256: certificateOf(1).keySha256,
      enrolledAtMs: again.issuedAtMs,
      renewedAtMs: again.issuedAtMs,
      notAfterMs: again.notAfterMs,
    });
  });

  test(
    "enrollNode() and enrollMachine() do not take each other's tokens, nor those that are over",
    async (store, harness) => {
      await store.putEnrollmentToken(nodeToken("t1"));
      assert.deepEqual(await store.enrollMachine(enrollmentOf(1)), { outcome: "token_refused" });
      await store.putEnrollmentToken(machineTokenOf("t2"));
      assert.equal(await store.enrollNode("t2", certificateOf(1), 9), "token_refused");
      harness.setWall(contractStartMs + 60_000);
      assert.equal(await store.enrollNode("t1", certificateOf(1), 9), "token_refused");
    },
  );

  test("enrollNode() holds the limit of nodes, and lets known ones in again", async (store) => {
    for (const [n, id] of ["c1", "c2", "c1"].entries()) {
      await store.putEnrollmentToken(nodeToken(`t${n}`, id));
    }
    assert.equal(await store.enrollNode("t0", certificateOf(1), 1), "enrolled");
    assert.equal(await store.enrollNode("t1", certificateOf(2, { nodeId: "c2" }), 1), "too_many");
    assert.equal((await store.enrollmentToken("t1"))?.usedBy, undefined);
    assert.equal(await store.enrollNode("t2", certificateOf(3), 1), "enrolled");
    assert.equal((await store.nodeIdentity("connector", "c1"))?.keySha256, certificateOf(3).keySha256);
  });

  test("renewNode() goes on from the node's key or the one before it", async (store) => {
    await store.putEnrollmentToken(nodeToken("t1"));
    await store.enrollNode("t1", certificateOf(1), 9);
    const key = (n: number) => certificateOf(n).keySha256;
    assert.equal(await store.renewNode(certificateOf(2), key(9)), false);
    assert.equal(await store.nodeCertificate(certificateOf(2).serial), undefined);
    assert.equal(await store.renewNode(certificateOf(2), key(1)), true);
    assert.equal(await store.renewNode(certificateOf(3), key(1)), true, "the answer to 2 was lost");
    assert.equal(await store.renewNode(certificateOf(4), key(2)), false);
    assert.equal(await store.renewNode(certificateOf(4), key(3)), true);
    assert.equal(await store.renewNode(certificateOf(5), key(1)), false);
    const node = await store.nodeIdentity("connector", "c1");
    assert.deepEqual([node?.keySha256, node?.previousKeySha256], [key(4), key(3)]);
    assert.equal(node?.enrolledAtMs, certificateOf(1).issuedAtMs);
  });

  test("confirmNodeKey() ends the key before the newest one, and nothing else", async (store) => {
    await store.putEnrollmentToken(nodeToken("t1"));
    await store.enrollNode("t1", certificateOf(1), 9);
    const key = (n: number) => certificateOf(n).keySha256;
    assert.equal(await store.renewNode(certificateOf(2), key(1)), true);
    await store.confirmNodeKey("connector", "c1", key(1));
    await store.confirmNodeKey("connector", "c2", key(2));
    await store.confirmNodeKey("tunneler", "c1", key(2));
    assert.equal((await store.nodeIdentity("connector", "c1"))?.previousKeySha256, key(1));
    await store.confirmNodeKey("connector", "c1", key(2));
    const node = await store.nodeIdentity("connector", "c1");
    assert.deepEqual([node?.keySha256, node?.previousKeySha256], [key(2), undefined]);
    assert.equal(await store.renewNode(certificateOf(3), key(1)), false);
    assert.equal(await store.renewNode(certificateOf(3), key(2)), true);
  });

  test("nodeIdentities() lists by role and id, in pages", async (store) => {
    const all = [["connector", "c1"], ["connector", "c2"], ["edge", "a"], ["tunneler", "t"]];
    for (const [n, [role, nodeId]] of all.entries()) {
      await store.putEnrollmentToken(nodeToken(`t${n}`, nodeId, role));
      await store.enrollNode(`t${n}`, certificateOf(n, { role, nodeId }), 9);
    }
    const names = async (query: Parameters<Store["nodeIdentities"]>[0]) =>
      (await store.nodeIdentities(query)).map(({ role, nodeId }) => [role, nodeId]);
    assert.deepEqual(await names({ limit: 10 }), all);
    assert.deepEqual(await names({ limit: 10, role: "connector" }), all.slice(0, 2));
    assert.deepEqual(await names({ limit: 2, after: { role: "connector", nodeId: "c1" } }), all.slice(1, 3));
  });

  test("liveCertificates() counts nodes of an issuing CA until they renew under another or end", async (store) => {
    await store.putEnrollmentToken(nodeToken("t1"));
    await store.enrollNode("t1", certificateOf(1), 9);
    const live = (issuer: string, nowMs = contractStartMs) =>
      store.liveCertificates(issuer.repeat(64), nowMs);
    assert.deepEqual([await live("a"), await live("b")], [1, 0]);
    assert.equal(await live("a", certificateOf(1).notAfterMs), 0);
    await store.renewNode(certificateOf(2, { issuerSha256: "b".repeat(64) }), certificateOf(1).keySha256);
    assert.deepEqual([await live("a"), await live("b")], [0, 1]);
  });

  test("forgetCertificates() forgets those that ended before", async (store) => {
    await store.putEnrollmentToken(nodeToken("t1"));
    await store.enrollNode("t1", certificateOf(1), 9);
    assert.equal(await store.forgetCertificates(certificateOf(1).notAfterMs), 0);
    assert.equal(await store.forgetCertificates(certificateOf(1).notAfterMs + 1), 1);
    assert.equal(await store.nodeCertificate(certificateOf(1).serial), undefined);
  });

  test("revokeIdentity() counts up with what is new or more severe, and is bounded: revocations_full", async (store) => {
    assert.deepEqual(await store.revokedIdentities(), { revision: 0, value: [] });
    assert.equal(await store.revokeIdentity(revokedOf()), true);
    assert.equal(await store.revokeIdentity(revokedOf({ reason: "again" })), false);
    assert.equal(await store.revokeIdentity(revokedOf({ severity: "cut" })), true);
    assert.equal(await store.revokeIdentity(revokedOf()), false);
    assert.deepEqual(await store.revokedIdentities(), {
      revision: 2,
      value: [revokedOf({ severity: "cut" })],
    });
    for (let n = 1; n < contractLimits.maxRevokedIdentities; n++) {
      await store.revokeIdentity(revokedOf({ kind: "id", value: `${n}` }));
    }
    await assert.rejects(
      store.revokeIdentity(revokedOf({ kind: "key" })),
      (error) => (assert.equal(codeOf(error), "revocations_full"), true),
    );
  });

  test(
    "two connections: of a hundred uses of one token with keys of their own, one gets in",
    async (first, harness) => {
      const second = harness.shared ? await harness.open() : first;
      await first.putEnrollmentToken(nodeToken("t1"));
      const outcomes = await Promise.all(
        Array.from(
          { length: 100 },
          (_, n) => (n % 2 === 0 ? first : second).enrollNode("t1", certificateOf(n + 1), 9),
        ),
      );
      assert.equal(
        outcomes.filter((outcome) => outcome === "enrolled").length,
        1,
      );
      assert.equal((await second.nodeIdentities({ limit: 10 })).length, 1);
    },
  );
}
