/** What every store must do, whatever it is made of. */
import assert from "node:assert/strict";
import { AuditWalk, openAuditHasher } from "../../src/audit/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import type { Store, TunnelClaim } from "../../src/ports/mod.ts";

/** Limits that the stores under test are opened with. */
export const contractLimits = {
  maxRemembered: 4,
  maxRevocations: 4,
  maxRevokedTokensPerOwner: 2,
  maxChallenges: 3,
  maxChallengesPerOwner: 2,
  maxEnrollmentTokens: 5,
  maxOpenEnrollments: 3,
  maxRevokedEks: 3,
  maxRevokedIdentities: 3,
  maxPolicyVersions: 3,
  maxFamilies: 2,
  maxRoutes: 4,
  maxAuditEntries: 5,
  maxNodePresences: 3,
  maxNodeRules: 3,
  maxAdminAccounts: 3,
  maxAdminInvites: 2,
  maxDeliveries: 2,
  maxAttestationsPerAgent: 3,
  maxPendingPairs: 4,
  clockSkewMs: 30_000,
};

/** Opens connections of one fresh store; all are closed at the end of the test. */
export interface StoreHarness {
  /** Opens one more connection to the same data; only where `shared` is true. */
  open(): Promise<Store>;
  readonly shared: boolean;
  /** Whether those that share it hear each other. */
  readonly announces: boolean;
  /** Moves the wall clock of the store to this time. */
  setWall(ms: number): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What the wall clock shows when a test begins. */
export const contractStartMs = Date.UTC(2026, 0, 1);
const startMs = contractStartMs;

export const claimOf = (change: Partial<TunnelClaim> = {}): TunnelClaim => ({
  tunnelId: "tun_1",
  name: "demo",
  owner: "alice",
  anonymous: false,
  protocol: "http",
  createdAtMs: startMs,
  heldUntilMs: startMs + 1_000,
  maxTunnels: 10,
  ...change,
});

const rejectsWith = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));

/** Registers the suite for one kind of store. */
export function storeContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store, harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(startMs);
      await body(await harness.open(), harness);
    });

  test("claimTunnel() makes a tunnel that is found by id, name and owner", async (store) => {
    const claimed = await store.claimTunnel(claimOf());
    assert.equal(claimed.outcome, "created");
    const { maxTunnels: _, ...record } = claimOf();
    assert.deepEqual(await store.tunnel("tun_1"), record);
    assert.deepEqual(await store.tunnelByName("demo"), record);
    assert.deepEqual(await store.tunnelsOf("alice"), [record]);
    assert.deepEqual(await store.tunnelsOf("bob"), []);
    assert.equal(await store.tunnel("tun_2"), undefined);
  });

  test("claimTunnel() gives a name to one owner only and names the holder", async (store) => {
    await store.claimTunnel(claimOf());
    const second = await store.claimTunnel(claimOf({ tunnelId: "tun_2", owner: "bob" }));
    assert.equal(second.outcome, "name_taken");
    assert.ok(second.outcome === "name_taken" && second.holder.owner === "alice");
    assert.equal(await store.tunnel("tun_2"), undefined);
  });

  test("claimTunnel() keeps a pair of names with one owner, and names the holder", async (store) => {
    await store.claimTunnel(claimOf({ name: "shop", pairedName: "*.shop" }));
    const pair = { tunnelId: "tun_2", name: "*.shop", pairedName: "shop" };
    const other = await store.claimTunnel(claimOf({ ...pair, owner: "bob" }));
    assert.equal(other.outcome === "name_taken" && other.holder.name, "shop");
    assert.equal((await store.claimTunnel(claimOf(pair))).outcome, "created");
  });

  test("claimTunnel() holds the limit of an owner, and one limit for all anonymous owners", async (store) => {
    const claim = (n: number, change: Partial<TunnelClaim>) =>
      store.claimTunnel(claimOf({ tunnelId: `tun_${n}`, name: `n${n}`, maxTunnels: 2, ...change }));
    assert.equal((await claim(1, {})).outcome, "created");
    assert.equal((await claim(2, {})).outcome, "created");
    assert.equal((await claim(3, {})).outcome, "too_many");
    assert.equal((await claim(4, { owner: "bob" })).outcome, "created");
    assert.equal((await claim(5, { owner: "anonymous:5", anonymous: true })).outcome, "created");
    assert.equal((await claim(6, { owner: "anonymous:6", anonymous: true })).outcome, "created");
    assert.equal((await claim(7, { owner: "anonymous:7", anonymous: true })).outcome, "too_many");
  });

  test("claimTunnel() holds the limit of one origin address", async (store) => {
    const claim = (n: number, address: string) =>
      store.claimTunnel(claimOf({ tunnelId: `tun_${n}`, name: `n${n}`, from: { address, maxTunnels: 2 } }));
    const outcomes = [];
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]) {
      outcomes.push((await claim(outcomes.length, address)).outcome);
    }
    assert.deepEqual(outcomes, ["created", "created", "too_many", "created"]);
    await store.deleteTunnel("tun_0");
    assert.equal((await claim(5, "192.0.2.1")).outcome, "created");
  });

  test("claimTunnel() gives each tcp tunnel its own port and lets a freed one rest longest", async (store) => {
    const portOf = async (n: number) => {
      const claimed = await store.claimTunnel(
        claimOf({ tunnelId: `tun_${n}`, name: `n${n}`, protocol: "tcp", ports: { first: 7000, last: 7002 } }),
      );
      return claimed.outcome === "created" ? claimed.tunnel.publicPort : claimed.outcome;
    };
    assert.equal(await portOf(1), 7000);
    assert.equal(await portOf(2), 7001);
    await store.deleteTunnel("tun_1");
    assert.equal(await portOf(3), 7002);
    assert.equal(await portOf(4), 7000);
    assert.equal(await portOf(5), "no_port");
    assert.equal(await store.tunnelByName("n5"), undefined);
  });

  test("claimTunnel() gives udp tunnels ports of their own, whatever tcp has", async (store) => {
    const portOf = async (n: number, protocol: "tcp" | "udp") => {
      const claimed = await store.claimTunnel(
        claimOf({ tunnelId: `tun_${n}`, name: `n${n}`, protocol, ports: { first: 53, last: 54 } }),
      );
      return claimed.outcome === "created"
        ? [claimed.tunnel.protocol, claimed.tunnel.publicPort]
        : claimed.outcome;
    };
    assert.deepEqual(await portOf(1, "tcp"), ["tcp", 53]);
    assert.deepEqual(await portOf(2, "udp"), ["udp", 53]);
    assert.deepEqual(await portOf(3, "udp"), ["udp", 54]);
    assert.equal(await portOf(4, "udp"), "no_port");
    assert.deepEqual(await portOf(5, "tcp"), ["tcp", 54]);
    assert.equal((await store.tunnelByName("n2"))?.publicPort, 53);
    await store.deleteTunnel("tun_2");
    assert.deepEqual(await portOf(6, "udp"), ["udp", 53]);
  });

  test("adoptTunnel() gives an anonymous tunnel to an account within its limit, once", async (store) => {
    const from = { address: "192.0.2.1", maxTunnels: 1 };
    const claim = (n: number) =>
      store.claimTunnel(
        claimOf({ tunnelId: `tun_${n}`, name: `n${n}`, owner: `anonymous:${n}`, anonymous: true, from }),
      );
    await claim(1);
    assert.equal(await store.adoptTunnel("tun_1", "alice", 0), "too_many");
    assert.equal((await store.tunnel("tun_1"))?.anonymous, true);
    assert.equal(await store.adoptTunnel("tun_1", "alice", 1), "adopted");
    const [tunnel] = await store.tunnelsOf("alice");
    assert.deepEqual([tunnel.tunnelId, tunnel.anonymous], ["tun_1", false]);
    assert.equal(await store.adoptTunnel("tun_1", "bob", 1), "not_anonymous");
    assert.equal(await store.adoptTunnel("tun_2", "bob", 1), "not_anonymous");
    assert.equal((await claim(2)).outcome, "created", "it counts for its address no more");
    assert.equal(await store.adoptTunnel("tun_2", "alice", 1), "too_many");
  });

  test("holdTunnel() moves the hold later and never earlier", async (store) => {
    await store.claimTunnel(claimOf());
    assert.equal(await store.holdTunnel("tun_1", startMs + 5_000), true);
    assert.equal(await store.holdTunnel("tun_1", startMs), true);
    assert.equal((await store.tunnel("tun_1"))?.heldUntilMs, startMs + 5_000);
    assert.equal(await store.holdTunnel("tun_2", startMs), false);
  });

  test("deleteTunnel() frees the name once and forgets the agents", async (store) => {
    await store.claimTunnel(claimOf());
    await store.bindAgent("tun_1", "agent-a", startMs, 4);
    assert.equal(await store.deleteTunnel("tun_1"), true);
    assert.equal(await store.deleteTunnel("tun_1"), false);
    assert.deepEqual(await store.agentsOf("tun_1"), []);
    assert.equal((await store.claimTunnel(claimOf({ tunnelId: "tun_2", owner: "bob" }))).outcome, "created");
  });

  test("deleteTunnel() with heldBeforeMs takes only anonymous tunnels whose hold has ended", async (store) => {
    await store.claimTunnel(claimOf());
    await store.claimTunnel(
      claimOf({ tunnelId: "tun_2", name: "n2", owner: "anonymous:2", anonymous: true }),
    );
    const ended = startMs + 1_001;
    assert.deepEqual(await store.abandonedTunnels(startMs + 1_000, 10), []);
    assert.deepEqual((await store.abandonedTunnels(ended, 10)).map((tunnel) => tunnel.tunnelId), ["tun_2"]);
    assert.equal(await store.deleteTunnel("tun_1", ended), false);
    assert.equal(await store.deleteTunnel("tun_2", startMs + 1_000), false);
    assert.equal(await store.deleteTunnel("tun_2", ended), true);
  });

  test("setTunnelRules() counts changes, not repetitions, and comes back with the tunnel", async (store) => {
    await store.claimTunnel(claimOf());
    assert.equal((await store.tunnel("tun_1"))?.rules, undefined);
    assert.deepEqual(await store.setTunnelRules("tun_1", '{"deny":[]}'), {
      revision: 1,
      value: '{"deny":[]}',
    });
    assert.deepEqual(await store.setTunnelRules("tun_1", '{"deny":[]}'), {
      revision: 1,
      value: '{"deny":[]}',
    });
    assert.deepEqual(await store.setTunnelRules("tun_1", "{}"), { revision: 2, value: "{}" });
    assert.deepEqual((await store.tunnelByName("demo"))?.rules, { revision: 2, value: "{}" });
    assert.equal(await store.setTunnelRules("tun_2", "{}"), undefined);
  });

  test("setTunnelTier() is kept until it is taken back, and a claim may bring it", async (store) => {
    await store.claimTunnel(claimOf());
    assert.equal((await store.tunnel("tun_1"))?.requireTier, undefined);
    assert.equal(await store.setTunnelTier("tun_1", "tpm"), true);
    assert.equal((await store.tunnelByName("demo"))?.requireTier, "tpm");
    assert.equal(await store.setTunnelTier("tun_1", null), true);
    assert.equal((await store.tunnel("tun_1"))?.requireTier, undefined);
    assert.equal(await store.setTunnelTier("tun_2", "tpm"), false);
    await store.claimTunnel(claimOf({ tunnelId: "tun_3", name: "n3", requireTier: "tpm" }));
    assert.equal((await store.tunnel("tun_3"))?.requireTier, "tpm");
  });

  test("claimTunnel() stores the first rules with the tunnel", async (store) => {
    await store.claimTunnel(claimOf({ rules: '{"allow":["10.0.0.0/8"]}' }));
    assert.deepEqual((await store.tunnel("tun_1"))?.rules, {
      revision: 1,
      value: '{"allow":["10.0.0.0/8"]}',
    });
  });

  test("bindAgent() tells first, new and known agents apart and holds the limit", async (store) => {
    await store.claimTunnel(claimOf());
    assert.equal(await store.bindAgent("tun_1", "agent-a", startMs, 2), "first");
    assert.equal(await store.bindAgent("tun_1", "agent-b", startMs + 1, 2), "new");
    assert.equal(await store.bindAgent("tun_1", "agent-a", startMs + 2, 2), "known");
    assert.equal(await store.bindAgent("tun_1", "agent-c", startMs + 3, 2), "too_many");
    assert.deepEqual(await store.agentsOf("tun_1"), [
      { agentId: "agent-a", firstSeenMs: startMs, lastSeenMs: startMs + 2 },
      { agentId: "agent-b", firstSeenMs: startMs + 1, lastSeenMs: startMs + 1 },
    ]);
  });

  test("revoke() ends one token, a family, or what an owner had by then", async (store) => {
    const times = { revokedAtMs: startMs, forgetAtMs: startMs + 1_000 };
    await store.revoke({ kind: "token", id: "jti-1", owner: "alice", ...times });
    await store.revoke({ kind: "family", id: "fam-2", owner: "root", ...times });
    await store.revoke({ kind: "owner", id: "carol", owner: "carol", ...times });
    const asked = (jti: string, family: string, owner: string, startedAtMs = startMs) =>
      store.isRevoked({ jti, family, owner, startedAtMs });
    assert.equal(await asked("jti-1", "fam-1", "alice"), true);
    assert.equal(await asked("jti-2", "fam-1", "alice"), false);
    assert.equal(await asked("jti-3", "fam-2", "bob"), true);
    assert.equal(await asked("jti-4", "fam-3", "carol"), true);
    assert.equal(await asked("jti-5", "fam-4", "carol", startMs + 1), false);
    assert.equal(await store.isRevoked({ owner: "carol", startedAtMs: startMs - 1 }), true);
    assert.equal(await store.isRevoked({ owner: "bob", startedAtMs: 0 }), false);
  });

  test(
    "revoke() refuses rather than forgets, and forgets what is out of date: revocations_full",
    async (store, harness) => {
      const revoke = (kind: "token" | "family" | "owner", id: string, owner: string) =>
        store.revoke({ kind, id, owner, revokedAtMs: startMs, forgetAtMs: startMs + 1_000 });
      await revoke("token", "a", "alice");
      await revoke("token", "b", "alice");
      await rejectsWith("revocations_full", revoke("token", "c", "alice"));
      await revoke("token", "b", "alice");
      await revoke("token", "d", "bob");
      await revoke("owner", "alice", "alice");
      await rejectsWith("revocations_full", revoke("family", "e", "root"));
      await revoke("owner", "alice", "alice");
      harness.setWall(startMs + 1_000 + contractLimits.clockSkewMs);
      await revoke("family", "e", "root");
      assert.equal(await store.isRevoked({ jti: "a", owner: "alice", startedAtMs: startMs }), false);
    },
  );

  test("consumeOnce() is true once for each kind and id", async (store) => {
    assert.equal(await store.consumeOnce("stage0", "a", startMs + 1_000), true);
    assert.equal(await store.consumeOnce("stage0", "a", startMs + 1_000), false);
    assert.equal(await store.consumeOnce("enrollment", "a", startMs + 1_000), true);
  });

  test("consumeOnce() remembers past the expiry by the clock skew", async (store, harness) => {
    await store.consumeOnce("stage0", "a", startMs + 1_000);
    harness.setWall(startMs + 1_000 + contractLimits.clockSkewMs - 1);
    assert.equal(await store.consumeOnce("stage0", "a", startMs + 1_000), false);
    harness.setWall(startMs + 1_000 + contractLimits.clockSkewMs);
    assert.equal(await store.consumeOnce("stage0", "a", startMs + 99_000), true);
  });

  test(
    "consumeOnce() refuses rather than forgets, kind by kind: replay_cache_full",
    async (store, harness) => {
      for (const id of ["a", "b", "c", "d"]) {
        assert.equal(
          await store.consumeOnce("stage0", id, startMs + 1_000),
          true,
        );
      }
      await rejectsWith("replay_cache_full", store.consumeOnce("stage0", "e", startMs + 1_000));
      assert.equal(await store.consumeOnce("stage0", "a", startMs + 1_000), false);
      assert.equal(await store.consumeOnce("enrollment", "e", startMs + 1_000), true);
      harness.setWall(startMs + 1_000 + contractLimits.clockSkewMs);
      assert.equal(await store.consumeOnce("stage0", "e", startMs + 99_000), true);
    },
  );

  test("takeChallenge() gives each challenge once", async (store) => {
    const challenge = {
      challengeId: "c1",
      expiresAtMs: startMs + 30_000,
      subject: "s",
      owner: "o",
      body: '{"a":1}',
    };
    await store.putChallenge(challenge, 9);
    assert.deepEqual(await store.takeChallenge("c1"), challenge);
    assert.equal(await store.takeChallenge("c1"), undefined);
    assert.equal(await store.takeChallenge("c2"), undefined);
  });

  test("putChallenge() holds the limit of one subject: challenge_limit_reached", async (store) => {
    const put = (challengeId: string, subject: string) =>
      store.putChallenge({ challengeId, expiresAtMs: startMs + 1_000, subject, owner: "o", body: "{}" }, 1);
    await put("c1", "token-1");
    await rejectsWith("challenge_limit_reached", put("c2", "token-1"));
    await put("c3", "token-2");
    await store.takeChallenge("c1");
    await put("c4", "token-1");
  });

  test("putChallenge() keeps room for other owners: challenge_limit_reached", async (store) => {
    const put = (n: number, owner: string) =>
      store.putChallenge(
        { challengeId: `c${n}`, expiresAtMs: startMs + 1_000, subject: `s${n}`, owner, body: "{}" },
        9,
      );
    await put(1, "greedy");
    await put(2, "greedy");
    await rejectsWith("challenge_limit_reached", put(3, "greedy"));
    await put(3, "other");
    await store.takeChallenge("c1");
    await put(4, "greedy");
  });

  test(
    "putChallenge() holds its limit until old ones have expired: challenges_full",
    async (store, harness) => {
      const put = (n: number, expiresAtMs: number) =>
        store.putChallenge({
          challengeId: `c${n}`,
          expiresAtMs,
          subject: `s${n}`,
          owner: `o${n}`,
          body: "{}",
        }, 2);
      for (const n of [1, 2, 3]) await put(n, startMs + 1_000);
      await rejectsWith("challenges_full", put(4, startMs + 1_000));
      harness.setWall(startMs + 1_000 + contractLimits.clockSkewMs);
      await put(4, startMs + 99_000);
      assert.equal(await store.takeChallenge("c1"), undefined);
    },
  );

  test("saveKeyset() lets one of two writers win", async (store) => {
    assert.equal(await store.loadKeyset(), undefined);
    assert.equal(await store.saveKeyset("one", 0), true);
    assert.equal(await store.saveKeyset("two", 0), false);
    const loaded = await store.loadKeyset();
    assert.deepEqual(loaded, { revision: 1, value: "one" });
    assert.equal(await store.saveKeyset("two", 1), true);
    assert.equal(await store.saveKeyset("three", 1), false);
    assert.deepEqual(await store.loadKeyset(), { revision: 2, value: "two" });
  });

  test("putSetting() overwrites; setting() of an unknown key is undefined", async (store) => {
    assert.equal(await store.setting("a"), undefined);
    await store.putSetting("a", "1");
    await store.putSetting("a", "2");
    assert.equal(await store.setting("a"), "2");
  });

  test("auditEntries() pages newest first; the oldest lines go when the log is full", async (store) => {
    for (let n = 1; n <= 7; n++) {
      await store.appendAudit({
        atMs: startMs + n,
        actor: "alice",
        action: "tunnel.create",
        subject: `tun_${n}`,
        outcome: "ok",
        detail: { n },
      });
    }
    const all = await store.auditEntries(100);
    assert.deepEqual(all.map((entry) => entry.detail.n), [7, 6, 5, 4, 3]);
    const page = await store.auditEntries(2, all[1].id);
    assert.deepEqual(page.map((entry) => entry.subject), ["tun_5", "tun_4"]);
  });

  test("auditLines() are a chain up to auditHead(), also when the oldest were let go", async (store) => {
    assert.equal(await store.auditHead(), undefined);
    const entry = { atMs: startMs, actor: "alice", action: "tunnel.create", outcome: "ok", detail: {} };
    await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => store.appendAudit({ ...entry, subject: `tun_${n}` })));
    const walk = new AuditWalk(await openAuditHasher());
    const page = await store.auditLines(2, 0);
    assert.equal(page.length, 2);
    const lines = [...page, ...await store.auditLines(100, page[1].id)];
    assert.deepEqual(lines.map(({ id }) => id), [3, 4, 5, 6, 7]);
    for (const line of lines) assert.equal(walk.take(line), undefined);
    const head = await store.auditHead();
    assert.deepEqual(head, { id: 7, hash: lines[4].hash });
    assert.deepEqual(walk.end(head), {
      lines: 5,
      firstId: 3,
      lastId: 7,
      head: head?.hash,
      isShortened: true,
    });
  });

  test("announce() tells the others that share the store, not oneself", async (store, harness) => {
    const heard: string[] = [];
    const other = harness.shared ? await harness.open() : store;
    const ends = [
      await store.listen((announcement) => heard.push(`self ${announcement.kind}`), () => heard.push("gap")),
      await other.listen((announcement) => heard.push(`other ${JSON.stringify(announcement)}`), () => {}),
    ];
    const tunnelIds = Array.from({ length: 120 }, (_, n) => `tun_${n}`.padEnd(128, "x"));
    await store.announce({ kind: "tunnels_cut", tunnelIds, code: "tunnel_deleted" });
    await store.announce({ kind: "machine_revoked", agentId: "agent-1" });
    await store.announce({ kind: "attestation_failed", tunnelId: "tun_1", agentId: "agent-1" });
    const offer = {
      kind: "private_offer",
      to: "b",
      from: "a",
      offerId: "1",
      sealed: "A".repeat(6_500),
    } as const;
    const taken = {
      kind: "private_answer",
      to: "a",
      offerId: "1",
      agentId: "agent-1",
      staticKey: "K",
    } as const;
    await store.announce(offer);
    await store.announce(taken);
    if (harness.announces) {
      while (heard.length < 7) await store.probe();
      const cut = heard.slice(0, 3).flatMap((text) => JSON.parse(text.slice(6)).tunnelIds);
      assert.deepEqual(cut, tunnelIds);
      assert.equal(heard[3], `other {"kind":"machine_revoked","agentId":"agent-1"}`);
      assert.equal(heard[4], `other {"kind":"attestation_failed","tunnelId":"tun_1","agentId":"agent-1"}`);
      assert.deepEqual(heard.slice(5).map((text) => JSON.parse(text.slice(6))), [offer, taken]);
    } else assert.deepEqual(heard, []);
    for (const end of ends) await end();
    await store.announce({ kind: "machine_revoked", agentId: "agent-2" });
    await store.probe();
    assert.equal(heard.length, harness.announces ? 7 : 0);
  });

  test("close() is idempotent and ends the connection: store_failed", async (store) => {
    await store.probe();
    await store.close();
    await store.close();
    await rejectsWith("store_failed", store.probe());
    await rejectsWith("store_failed", store.consumeOnce("stage0", "a", startMs));
  });

  test(
    "two connections: an id is spent once, a challenge is taken once, a name has one owner",
    async (first, harness) => {
      if (!harness.shared) return;
      const second = await harness.open();
      for (let round = 0; round < 4; round++) {
        const spent = await Promise.all([
          first.consumeOnce("stage0", `id${round}`, startMs + 1_000),
          second.consumeOnce("stage0", `id${round}`, startMs + 1_000),
        ]);
        assert.deepEqual(spent.sort(), [false, true]);
      }
      await rejectsWith("replay_cache_full", second.consumeOnce("stage0", "more", startMs + 1_000));
      await first.putChallenge(
        { challengeId: "c", expiresAtMs: startMs + 1_000, subject: "s", owner: "o", body: "{}" },
        1,
      );
      const taken = await Promise.all([first.takeChallenge("c"), second.takeChallenge("c")]);
      assert.equal(taken.filter((challenge) => challenge !== undefined).length, 1);
      const claimed = await Promise.all([
        first.claimTunnel(claimOf()),
        second.claimTunnel(claimOf({ tunnelId: "tun_2", owner: "bob" })),
      ]);
      assert.deepEqual(claimed.map((claim) => claim.outcome).sort(), ["created", "name_taken"]);
      const saved = await Promise.all([first.saveKeyset("a", 0), second.saveKeyset("b", 0)]);
      assert.deepEqual(saved.sort(), [false, true]);
    },
  );
}
