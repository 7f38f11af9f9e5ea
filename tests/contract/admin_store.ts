/** What every store must do about nodes, administrators, and secrets that are delivered once. */
import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import type { AdminAccount, AdminSession, Store } from "../../src/ports/mod.ts";
import { claimOf, contractStartMs, type StoreHarness } from "./store.ts";

const startMs = contractStartMs;
const sha = (text: string) => text.padEnd(64, "0");

const accountOf = (change: Partial<AdminAccount> = {}): AdminAccount => ({
  accountId: "adm_1",
  name: "ann",
  role: "owner",
  passwordHash: "$scrypt$",
  createdBy: "control",
  createdAtMs: startMs,
  ...change,
});

const sessionOf = (change: Partial<AdminSession> = {}): AdminSession => ({
  sessionId: "session1",
  secretSha256: sha("a"),
  kind: "token",
  accountId: "adm_1",
  address: "192.0.2.1",
  openedAtMs: startMs,
  usedAtMs: startMs,
  expiresAtMs: startMs + 1_000,
  ...change,
});

const rejectsWith = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));

/** Registers the suite for one kind of store. */
export function adminStoreContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store, harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(startMs);
      await body(await harness.open(), harness);
    });

  test("seeNode() remembers the last heartbeat of each node, not an older one", async (store) => {
    const node = { role: "connector", id: "c1", privateIp: "10.0.0.1", version: "1", lastSeenMs: 5 } as const;
    await store.seeNode(node);
    await store.seeNode({ ...node, version: "2", privateIp: "10.0.0.2", lastSeenMs: 9 });
    await store.seeNode({ ...node, version: "1", lastSeenMs: 7 });
    const known = { ...node, version: "2", privateIp: "10.0.0.2", firstSeenMs: 5, lastSeenMs: 9 };
    assert.deepEqual(await store.nodePresence("connector", "c1"), known);
    assert.equal(await store.nodePresence("tunneler", "c1"), undefined);
    await store.seeNode({ role: "tunneler", id: "c1", connectorId: "c1", version: "1", lastSeenMs: 3 });
    assert.equal((await store.nodePresence("tunneler", "c1"))?.connectorId, "c1");
    assert.deepEqual(await store.nodePresences("connector", 9), [known]);
    assert.deepEqual(await store.countNodePresences("connector", 9), { total: 1, heard: 1 });
    assert.deepEqual(await store.countNodePresences("connector", 10), { total: 1, heard: 0 });
    assert.equal(await store.forgetNodePresence("connector", "c1"), true);
    assert.equal(await store.forgetNodePresence("connector", "c1"), false);
    assert.deepEqual(await store.countNodePresences("connector", 0), { total: 0, heard: 0 });
  });

  test("seeNodes() remembers the heartbeats of many nodes at once", async (store) => {
    const heard = (lastSeenMs: number) =>
      (["connector", "tunneler"] as const).flatMap((role) =>
        Array.from({ length: 2 }, (_, n) => ({
          role,
          id: `n${n}`,
          version: "1",
          lastSeenMs,
          ...(n === 0 ? { privateIp: "10.0.0.1" } : {}),
          ...(role === "tunneler" ? { connectorId: "c" } : {}),
        }))
      ).slice(0, 3);
    await store.seeNodes([]);
    await store.seeNodes(heard(5));
    await store.seeNodes(heard(4));
    await store.seeNodes([...heard(9).slice(1)]);
    const [n0, n1] = await store.nodePresences("connector", 9);
    assert.deepEqual([n0.lastSeenMs, n0.firstSeenMs, n0.privateIp], [5, 5, "10.0.0.1"]);
    assert.deepEqual([n1.lastSeenMs, n1.firstSeenMs, n1.privateIp], [9, 5, undefined]);
    assert.equal((await store.nodePresence("tunneler", "n0"))?.connectorId, "c");
  });

  test("nodes() are told in the order of their ids, and are bounded: nodes_full", async (store) => {
    const see = (id: string, at = 1) =>
      store.seeNode({ role: "connector", id, version: "1", lastSeenMs: at });
    for (const id of ["b", "B", "a"]) await see(id);
    const ids = async (limit: number, after?: string) =>
      (await store.nodePresences("connector", limit, after)).map((node) => node.id);
    assert.deepEqual(await ids(2), ["B", "a"]);
    assert.deepEqual(await ids(2, "a"), ["b"]);
    await rejectsWith("nodes_full", see("c"));
    // Whoever is known is heard also beside those that do not fit.
    const both = ["c", "a"].map((id) => ({ role: "connector" as const, id, version: "1", lastSeenMs: 3 }));
    await rejectsWith("nodes_full", store.seeNodes(both));
    assert.equal((await store.nodePresence("connector", "a"))?.lastSeenMs, 3);
    assert.equal(await store.nodePresence("connector", "c"), undefined);
    await see("a", 4);
    assert.equal((await store.nodePresence("connector", "a"))?.lastSeenMs, 4);
  });

  test("tunnels() gives those of all owners, page by page", async (store) => {
    for (const n of [1, 2, 3]) {
      await store.claimTunnel(claimOf({ tunnelId: `tun_${n}`, name: `n${n}`, owner: `o${n}` }));
    }
    const ids = async (limit: number, after?: string) =>
      (await store.tunnels(limit, after)).map((tunnel) => tunnel.tunnelId);
    assert.deepEqual(await ids(2), ["tun_1", "tun_2"]);
    assert.deepEqual(await ids(2, "tun_2"), ["tun_3"]);
    assert.equal(await store.countTunnels(), 3);
  });

  test("revocations() gives what is remembered, page by page", async (store) => {
    const times = { revokedAtMs: startMs, forgetAtMs: startMs + 1 };
    await store.revoke({ kind: "owner", id: "alice", owner: "alice", ...times });
    await store.revoke({ kind: "token", id: "t1", owner: "bob", ...times });
    await store.revoke({ kind: "family", id: "f1", owner: "bob", ...times });
    const all = await store.revocations(9);
    assert.deepEqual(all.map(({ kind, id }) => `${kind} ${id}`), ["family f1", "owner alice", "token t1"]);
    assert.deepEqual(await store.revocations(9, all[0]), all.slice(1));
    assert.deepEqual(await store.revocations(1, all[1]), all.slice(2));
    await store.revokeMachine({ ekSha256: "ab".repeat(32) }, { atMs: startMs, reason: "lost" });
    const by = { severity: "cut", atMs: startMs, by: "op", reason: "stolen" } as const;
    await store.revokeIdentity({ kind: "id", value: "spiffe://a/edge/b", ...by });
    await store.revokeIdentity({ kind: "serial", value: "0a", ...by });
    await store.revokeIdentity({ kind: "key", value: "cd".repeat(32), ...by, severity: "drain" });
    const every = await store.revocations(9);
    assert.deepEqual(
      every.map(({ kind }) => kind),
      ["certificate", "ek", "family", "key", "node", "owner", "token"],
    );
    assert.deepEqual(every[1], { kind: "ek", id: "ab".repeat(32), revokedAtMs: startMs, reason: "lost" });
    const { kind, id } = every[3];
    assert.deepEqual([kind, id, every[3].severity], ["key", "cd".repeat(32), "drain"]);
    assert.deepEqual(await store.revocations(9, { kind, id }), every.slice(4));
  });

  test("a second factor counts once a code of it was spent, and each step once", async (store) => {
    await store.addAdminAccount(accountOf());
    assert.equal(await store.adminTotp("adm_1"), undefined);
    assert.equal(await store.spendAdminTotp("adm_1", 5), false);
    assert.ok(await store.proposeAdminTotp("adm_1", "AAAA", startMs));
    assert.ok(await store.proposeAdminTotp("adm_1", "BBBB", startMs));
    assert.deepEqual(await store.adminTotp("adm_1"), { secret: "BBBB", isConfirmed: false });
    assert.deepEqual(await store.adminTotpAccounts(), []);
    const spent = await Promise.all([7, 7, 7].map((step) => store.spendAdminTotp("adm_1", step)));
    assert.deepEqual(spent.sort(), [false, false, true]);
    assert.deepEqual(await store.adminTotp("adm_1"), { secret: "BBBB", isConfirmed: true });
    assert.equal(await store.proposeAdminTotp("adm_1", "CCCC", startMs), false);
    assert.equal(await store.spendAdminTotp("adm_1", 6), false);
    assert.ok(await store.spendAdminTotp("adm_1", 8));
    assert.deepEqual(await store.adminTotpAccounts(), ["adm_1"]);
    assert.ok(await store.removeAdminTotp("adm_1"));
    assert.equal(await store.removeAdminTotp("adm_1"), false);
  });

  test("addAdminAccount() keeps names and subjects unique, and a limit", async (store) => {
    assert.equal(await store.addAdminAccount(accountOf()), "added");
    assert.equal(await store.addAdminAccount(accountOf({ accountId: "adm_2" })), "name_taken");
    const { passwordHash: _, ...rest } = accountOf({
      accountId: "adm_2",
      name: "bob",
      subject: "issuer one",
      role: "viewer",
    });
    assert.equal(await store.addAdminAccount(rest), "added");
    const other = accountOf({ accountId: "adm_3", name: "cy", subject: "issuer one" });
    assert.equal(await store.addAdminAccount(other), "name_taken");
    assert.deepEqual(await store.adminAccount("adm_2"), rest);
    assert.deepEqual(await store.adminAccountBySubject("issuer one"), rest);
    assert.deepEqual(await store.adminAccountByName("ann"), accountOf());
    assert.deepEqual((await store.adminAccounts()).map(({ name }) => name), ["ann", "bob"]);
    assert.equal(await store.addAdminAccount(accountOf({ accountId: "adm_4", name: "d" })), "added");
    assert.equal(await store.addAdminAccount(accountOf({ accountId: "adm_5", name: "e" })), "too_many");
  });

  test("the last owner stays owner", async (store) => {
    await store.addAdminAccount(accountOf());
    await store.addAdminAccount(accountOf({ accountId: "adm_2", name: "bob", role: "operator" }));
    assert.equal(await store.changeAdminAccount("adm_1", { role: "viewer" }), "last_owner");
    assert.equal(await store.deleteAdminAccount("adm_1"), "last_owner");
    assert.equal(await store.changeAdminAccount("adm_2", { role: "owner", passwordHash: "x" }), "changed");
    assert.deepEqual(
      await store.adminAccount("adm_2"),
      accountOf({ accountId: "adm_2", name: "bob", passwordHash: "x" }),
    );
    assert.equal(await store.changeAdminAccount("adm_1", { role: "viewer" }), "changed");
    assert.equal(await store.changeAdminAccount("adm_9", { role: "viewer" }), "unknown");
    assert.equal(await store.deleteAdminAccount("adm_1"), "deleted");
    assert.equal(await store.deleteAdminAccount("adm_1"), "unknown");
  });

  test("acceptAdminInvite() makes one account of an invite, also when several try at once", async (store) => {
    const invite = { role: "operator", onlyFirst: false, createdBy: "admin:ann" } as const;
    await store.putAdminInvite({ ...invite, secretSha256: sha("i"), expiresAtMs: startMs + 10 });
    assert.equal((await store.adminInvite(sha("i"), startMs))?.role, "operator");
    assert.equal(await store.adminInvite(sha("i"), startMs + 10), undefined);
    const accept = (n: number, secret = sha("i")) => {
      const { role: _, createdBy: __, ...account } = accountOf({ accountId: `adm_${n}`, name: `n${n}` });
      return store.acceptAdminInvite(secret, startMs, account);
    };
    assert.equal(await accept(0, sha("j")), "refused");
    const results = await Promise.all([1, 2, 3].map((n) => accept(n)));
    const made = results.filter((result) => typeof result === "object");
    assert.equal(made.length, 1);
    assert.equal(made[0].role, "operator");
    assert.equal(made[0].createdBy, "admin:ann");
    assert.equal(results.filter((result) => result === "refused").length, 2);
  });

  test("an invite survives a name that is taken, and one for the first account ends with it", async (store) => {
    const first = {
      role: "owner",
      onlyFirst: true,
      createdBy: "control",
      expiresAtMs: startMs + 10,
    } as const;
    await store.putAdminInvite({ ...first, secretSha256: sha("f") });
    await store.putAdminInvite({ ...first, secretSha256: sha("g"), onlyFirst: false });
    await rejectsWith("admin_invites_full", store.putAdminInvite({ ...first, secretSha256: sha("h") }));
    const { role: _, createdBy: __, ...account } = accountOf();
    assert.equal(typeof await store.acceptAdminInvite(sha("g"), startMs, account), "object");
    assert.equal(await store.adminInvite(sha("f"), startMs), undefined);
    assert.equal(
      await store.acceptAdminInvite(sha("f"), startMs, { ...account, name: "eve", accountId: "adm_9" }),
      "refused",
    );
    await store.putAdminInvite({ ...first, secretSha256: sha("k"), onlyFirst: false });
    const same = { ...account, accountId: "adm_2" };
    assert.equal(await store.acceptAdminInvite(sha("k"), startMs, same), "name_taken");
    assert.equal(typeof await store.acceptAdminInvite(sha("k"), startMs, { ...same, name: "bob" }), "object");
  });

  test("sessions are found by id and secret, used, closed, and bounded for each account", async (store) => {
    await store.addAdminAccount(accountOf());
    await store.openAdminSession(sessionOf(), 2);
    assert.deepEqual(await store.adminSession("session1"), sessionOf());
    assert.deepEqual(await store.adminSessionBySecret(sha("a")), sessionOf());
    await store.useAdminSession("session1", startMs + 5);
    await store.useAdminSession("session1", startMs + 3);
    assert.equal((await store.adminSession("session1"))?.usedAtMs, startMs + 5);
    const another = (n: number) =>
      sessionOf({ sessionId: `session${n}`, secretSha256: sha(`s${n}`), usedAtMs: startMs + n });
    await store.openAdminSession(another(2), 2);
    await store.openAdminSession(another(9), 2);
    const ids = async () => (await store.adminSessionsOf("adm_1")).map(({ sessionId }) => sessionId);
    assert.deepEqual(await ids(), ["session9", "session1"]);
    assert.equal(await store.closeAdminSessions("adm_1", "session9"), 1);
    assert.equal(await store.closeAdminSession("session9"), true);
    assert.equal(await store.closeAdminSession("session9"), false);
    await store.openAdminSession(another(3), 2);
    await store.addAdminAccount(accountOf({ accountId: "adm_2", name: "bob" }));
    await store.deleteAdminAccount("adm_1");
    assert.deepEqual(await ids(), []);
  });

  test("openAdminSession() forgets sessions that are over", async (store, harness) => {
    await store.openAdminSession(sessionOf(), 9);
    harness.setWall(startMs + 1_000);
    await store.openAdminSession(sessionOf({ sessionId: "session2", secretSha256: sha("b") }), 9);
    assert.equal(await store.adminSession("session1"), undefined);
  });

  test("rotateAdminSession() gives each secret one turn; one that comes again ends the session", async (store) => {
    await store.openAdminSession(sessionOf(), 9);
    const rotate = async (from: string, to: string) =>
      (await store.rotateAdminSession(sha(from), sha(to), startMs + 1))?.outcome;
    assert.equal(await rotate("zz", "b"), undefined);
    const both = await Promise.all([rotate("a", "b"), rotate("a", "c")]);
    assert.deepEqual(both.sort(), ["reused", "rotated"]);
    assert.equal(await store.adminSession("session1"), undefined);
    assert.equal(await rotate("a", "d"), undefined);
    assert.equal(await rotate("b", "d"), undefined);
  });

  test("takeDelivery() gives it once, and not when it is over; room is bounded: deliveries_full", async (store) => {
    const delivery = { subject: "token1", sealed: "AAAA", expiresAtMs: startMs + 10 };
    await store.putDelivery({ ...delivery, secretSha256: sha("a") });
    await store.putDelivery({ ...delivery, secretSha256: sha("b") });
    await rejectsWith("deliveries_full", store.putDelivery({ ...delivery, secretSha256: sha("c") }));
    const taken = await Promise.all([1, 2, 3].map(() => store.takeDelivery(sha("a"), startMs)));
    assert.deepEqual(taken.filter((one) => one !== undefined), [{ ...delivery, secretSha256: sha("a") }]);
    assert.equal(await store.takeDelivery(sha("b"), startMs + 10), undefined);
    assert.equal(await store.takeDelivery(sha("b"), startMs), undefined);
  });
}
