/** What every store must do with machines, enrollment tokens and revoked keys. */
import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import type { EnrollmentToken, MachineEnrollment, MachineRecord, Store } from "../../src/ports/mod.ts";
import { contractLimits, contractStartMs, type StoreHarness } from "./store.ts";

const endMs = contractStartMs + 60_000;

export const machineTokenOf = (
  tokenId: string,
  change: Partial<EnrollmentToken> = {},
): Omit<EnrollmentToken, "usedBy"> => ({
  tokenId,
  secretSha256: "5e".repeat(32),
  createdBy: "ops",
  createdAtMs: contractStartMs,
  expiresAtMs: endMs,
  ...change,
});

/** The enrollment of machine `n`, each with keys of its own. */
export const enrollmentOf = (n: number, change: Partial<MachineEnrollment> = {}): MachineEnrollment => ({
  agentId: `agent-${String(n).padStart(3, "0")}`,
  ekSha256: n.toString(16).padStart(64, "0"),
  ekCertificate: new Uint8Array([0x30, n]),
  ekIntermediates: [new Uint8Array([0x31, n]), new Uint8Array([0x32, n])],
  akPublic: new Uint8Array([0x23, n]),
  akName: new Uint8Array([0x0b, n]),
  enrolledAtMs: contractStartMs,
  tokenId: `t${n}`,
  maxMachines: 10,
  ...change,
});

function recordOf(enrollment: MachineEnrollment, labels: readonly string[] = []): MachineRecord {
  const { tokenId: _token, maxMachines: _max, ...facts } = enrollment;
  return { ...facts, labels, state: "active" };
}

const rejectsWith = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));

const revocation = { atMs: contractStartMs + 5, reason: "stolen" };

/** Registers the suite for one kind of store. */
export function machineStoreContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store, harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(contractStartMs);
      await body(await harness.open(), harness);
    });
  const enroll = async (store: Store, n: number, token: Partial<EnrollmentToken> = {}) => {
    await store.putEnrollmentToken(machineTokenOf(`t${n}`, token));
    return await store.enrollMachine(enrollmentOf(n));
  };

  test("enrollMachine() writes the machine with the labels of the token and spends that", async (store) => {
    await store.putEnrollmentToken(machineTokenOf("t1", { labels: ["rack-2", "prod", "rack-2"] }));
    const enrolled = await store.enrollMachine(enrollmentOf(1));
    const machine = recordOf(enrollmentOf(1), ["prod", "rack-2"]);
    assert.deepEqual(enrolled, { outcome: "enrolled", machine });
    assert.deepEqual(await store.machine("agent-001"), machine);
    assert.deepEqual(
      await store.enrollmentToken("t1"),
      { ...machineTokenOf("t1", { labels: ["prod", "rack-2"] }), usedBy: "agent-001" },
    );
    assert.equal(await store.machine("agent-002"), undefined);
    assert.equal(await store.enrollmentToken("t2"), undefined);
  });

  test(
    "enrollMachine() refuses a token that is unknown, over, used, or for another EK",
    async (store, harness) => {
      assert.deepEqual(await store.enrollMachine(enrollmentOf(1)), { outcome: "token_refused" });
      await store.putEnrollmentToken(machineTokenOf("t2", { ekSha256: enrollmentOf(9).ekSha256 }));
      assert.deepEqual(await store.enrollMachine(enrollmentOf(2)), { outcome: "token_refused" });
      assert.equal((await enroll(store, 3, { ekSha256: enrollmentOf(3).ekSha256 })).outcome, "enrolled");
      assert.deepEqual(await store.enrollMachine(enrollmentOf(4, { tokenId: "t3" })), {
        outcome: "token_refused",
      });
      await store.putEnrollmentToken(machineTokenOf("t5"));
      harness.setWall(endMs);
      assert.deepEqual(await store.enrollMachine(enrollmentOf(5)), { outcome: "token_refused" });
      assert.deepEqual((await store.machines(10)).map((machine) => machine.agentId), ["agent-003"]);
    },
  );

  test(
    "enrollMachine() of the same EK and AK is idempotent and keeps labels unless a token names others",
    async (store) => {
      await enroll(store, 1, { labels: ["prod"] });
      const again = await store.enrollMachine(enrollmentOf(1, { enrolledAtMs: contractStartMs + 9 }));
      assert.deepEqual(again, { outcome: "renewed", machine: recordOf(enrollmentOf(1), ["prod"]) });
      const labelsBy = async (tokenId: string, labels?: readonly string[]) => {
        await store.putEnrollmentToken(machineTokenOf(tokenId, labels === undefined ? {} : { labels }));
        const renewed = await store.enrollMachine(enrollmentOf(1, { tokenId }));
        return renewed.outcome === "renewed" && renewed.machine.labels;
      };
      assert.deepEqual(await labelsBy("t2"), ["prod"]);
      assert.deepEqual(await labelsBy("t3", ["lab"]), ["lab"]);
      assert.deepEqual(await labelsBy("t4", []), []);
      await store.enrollMachine(enrollmentOf(1, { tokenId: "t3" }));
      assert.deepEqual((await store.machine("agent-001"))?.labels, [], "a used token changes nothing");
      assert.equal((await store.machines(10)).length, 1);
    },
  );

  test("enrollMachine() refuses another AK, another EK of one agent id, and a second agent of one EK", async (store) => {
    await enroll(store, 1);
    await store.putEnrollmentToken(machineTokenOf("t2"));
    const outcome = async (change: Partial<MachineEnrollment>) =>
      (await store.enrollMachine(enrollmentOf(1, { tokenId: "t2", ...change }))).outcome;
    assert.equal(await outcome({ akName: enrollmentOf(2).akName }), "other_key");
    assert.equal(await outcome({ akPublic: enrollmentOf(2).akPublic }), "other_key");
    assert.equal(await outcome({ ekSha256: enrollmentOf(2).ekSha256 }), "other_key");
    assert.equal(await outcome({ agentId: "agent-002" }), "other_key");
    assert.equal((await store.enrollmentToken("t2"))?.usedBy, undefined, "refused: the token is not spent");
    assert.deepEqual(await store.machines(10), [recordOf(enrollmentOf(1))]);
  });

  test("enrollMachine() lets one of a hundred machines in by one token", async (store) => {
    await store.putEnrollmentToken(machineTokenOf("t"));
    const enrollments = Array.from({ length: 100 }, (_, n) => enrollmentOf(n, { tokenId: "t" }));
    const outcomes = await Promise.all(enrollments.map((enrollment) => store.enrollMachine(enrollment)));
    assert.equal(outcomes.filter(({ outcome }) => outcome === "enrolled").length, 1);
    assert.equal(outcomes.filter(({ outcome }) => outcome === "token_refused").length, 99);
    assert.equal((await store.machines(100)).length, 1);
  });

  test("enrollMachine() holds the number of machines and spends nothing on a refusal", async (store) => {
    await enroll(store, 1);
    await store.putEnrollmentToken(machineTokenOf("t2"));
    assert.deepEqual(await store.enrollMachine(enrollmentOf(2, { maxMachines: 1 })), { outcome: "too_many" });
    assert.equal((await store.enrollMachine(enrollmentOf(2, { maxMachines: 2 }))).outcome, "enrolled");
  });

  test("machines() pages in the order of agent ids", async (store) => {
    for (const n of [3, 1, 2]) await enroll(store, n);
    const ids = async (limit: number, after?: string) =>
      (await store.machines(limit, after)).map((machine) => machine.agentId);
    assert.deepEqual(await ids(2), ["agent-001", "agent-002"]);
    assert.deepEqual(await ids(2, "agent-002"), ["agent-003"]);
    assert.deepEqual(await ids(2, "agent-003"), []);
  });

  test("countMachines() tells those that are revoked from the others", async (store) => {
    for (const n of [1, 2, 3]) await enroll(store, n);
    await store.revokeMachine({ agentId: "agent-002" }, revocation);
    await store.revokeMachine({ ekSha256: enrollmentOf(9).ekSha256 }, revocation);
    assert.deepEqual(await store.countMachines(), { active: 2, revoked: 1 });
  });

  test("revokeMachine() refuses the EK until it is restored, by either name", async (store) => {
    await enroll(store, 1, { labels: ["prod"] });
    assert.equal(await store.revokeMachine({ agentId: "agent-001" }, revocation), "revoked");
    const later = { atMs: contractStartMs + 99, reason: "again" };
    assert.equal(await store.revokeMachine({ ekSha256: enrollmentOf(1).ekSha256 }, later), "already");
    assert.deepEqual(await store.machine("agent-001"), {
      ...recordOf(enrollmentOf(1), ["prod"]),
      state: "revoked",
      revoked: revocation,
    });
    assert.equal(await store.isEkRevoked(enrollmentOf(1).ekSha256), true);
    await store.putEnrollmentToken(machineTokenOf("t2"));
    const enrolled = await store.enrollMachine(enrollmentOf(1, { tokenId: "t2" }));
    assert.deepEqual(enrolled, { outcome: "revoked" });
    assert.equal((await store.enrollmentToken("t2"))?.usedBy, undefined);
    assert.equal(await store.restoreMachine({ agentId: "agent-001" }), "restored");
    assert.equal(await store.restoreMachine({ agentId: "agent-001" }), "active");
    assert.equal((await store.enrollMachine(enrollmentOf(1, { tokenId: "t2" }))).outcome, "renewed");
  });

  test("deleteMachine() forgets a revoked machine, and not that it was revoked", async (store) => {
    assert.equal(await store.deleteMachine("agent-001"), "unknown");
    await enroll(store, 1);
    assert.equal(await store.deleteMachine("agent-001"), "active");
    await store.revokeMachine({ agentId: "agent-001" }, revocation);
    assert.equal(await store.deleteMachine("agent-001"), "deleted");
    assert.deepEqual(await store.machines(9), []);
    await store.putEnrollmentToken(machineTokenOf("t2"));
    const again = enrollmentOf(1, { tokenId: "t2" });
    assert.deepEqual(await store.enrollMachine(again), { outcome: "revoked" });
    await store.restoreMachine({ ekSha256: again.ekSha256 });
    assert.deepEqual(
      await store.enrollMachine(enrollmentOf(1)),
      { outcome: "token_refused" },
      "spent is spent",
    );
    assert.equal((await store.enrollMachine(again)).outcome, "enrolled");
  });

  test("machineRevocations() grows with each revocation, and with nothing else", async (store) => {
    const [first, second] = [enrollmentOf(1), enrollmentOf(2)];
    assert.equal(await store.machineRevocations(), 0);
    await store.revokeMachine({ ekSha256: first.ekSha256 }, revocation);
    await store.revokeMachine({ ekSha256: first.ekSha256 }, revocation);
    assert.equal(await store.machineRevocations(), 1);
    await store.restoreMachine({ ekSha256: first.ekSha256 });
    assert.equal(await store.machineRevocations(), 1);
    await store.revokeMachine({ ekSha256: second.ekSha256 }, revocation);
    assert.equal(await store.machineRevocations(), 2);
  });

  test("revokeMachine() takes an EK that never came, and no agent id that it does not know", async (store) => {
    const { ekSha256 } = enrollmentOf(1);
    assert.equal(await store.revokeMachine({ agentId: "agent-001" }, revocation), "unknown");
    assert.equal(await store.restoreMachine({ agentId: "agent-001" }), "unknown");
    assert.equal(await store.restoreMachine({ ekSha256 }), "unknown");
    assert.equal(await store.isEkRevoked(ekSha256), false);
    assert.equal(await store.revokeMachine({ ekSha256 }, revocation), "revoked");
    assert.deepEqual(await enroll(store, 1), { outcome: "revoked" });
    assert.equal(await store.restoreMachine({ ekSha256 }), "restored");
    assert.equal((await store.enrollMachine(enrollmentOf(1))).outcome, "enrolled");
  });

  test("revokeMachine() refuses rather than forgets: machine_limit_reached", async (store) => {
    for (let n = 0; n < contractLimits.maxRevokedEks; n++) {
      await store.revokeMachine({ ekSha256: enrollmentOf(n).ekSha256 }, revocation);
    }
    await rejectsWith(
      "machine_limit_reached",
      store.revokeMachine({ ekSha256: enrollmentOf(99).ekSha256 }, revocation),
    );
    assert.equal(await store.isEkRevoked(enrollmentOf(0).ekSha256), true);
  });

  test("advanceContinuity() lets one of two writers win, and none for a revoked machine", async (store) => {
    assert.equal(await store.advanceContinuity("agent-001", "{}", 0), false);
    await enroll(store, 1);
    assert.equal(await store.advanceContinuity("agent-001", '{"reset":1}', 0), true);
    assert.equal(await store.advanceContinuity("agent-001", '{"reset":2}', 0), false);
    assert.deepEqual((await store.machine("agent-001"))?.continuity, { revision: 1, value: '{"reset":1}' });
    await store.enrollMachine(enrollmentOf(1));
    await store.revokeMachine({ agentId: "agent-001" }, revocation);
    assert.equal(await store.advanceContinuity("agent-001", '{"reset":2}', 1), false);
    await store.restoreMachine({ agentId: "agent-001" });
    assert.equal(
      (await store.machine("agent-001"))?.continuity,
      undefined,
      "the operator trusts it as it is",
    );
    assert.equal(await store.advanceContinuity("agent-001", '{"reset":2}', 1), false);
    assert.equal(await store.advanceContinuity("agent-001", '{"reset":2}', 0), true);
    assert.equal(await store.advanceContinuity("agent-001", '{"reset":3}', 1), true);
    assert.deepEqual((await store.machine("agent-001"))?.continuity, { revision: 2, value: '{"reset":3}' });
  });

  test(
    "putEnrollmentToken() refuses rather than forgets, until some are over: enrollment_tokens_full",
    async (store, harness) => {
      for (let n = 0; n < contractLimits.maxEnrollmentTokens; n++) {
        await store.putEnrollmentToken(machineTokenOf(`t${n}`));
      }
      await rejectsWith("enrollment_tokens_full", store.putEnrollmentToken(machineTokenOf("more")));
      assert.equal(await store.enrollmentToken("more"), undefined);
      harness.setWall(endMs);
      assert.notEqual(await store.enrollmentToken("t0"), undefined, "it can be told that it is over");
      await store.putEnrollmentToken(machineTokenOf("more", { expiresAtMs: endMs * 2 }));
      assert.equal(await store.enrollmentToken("t0"), undefined);
    },
  );

  test("takeOpenEnrollment() gives each enrollment once", async (store) => {
    const open = { enrollmentId: "e1", tokenId: "t1", expiresAtMs: endMs, body: '{"a":1}' };
    await store.putOpenEnrollment(open, 9);
    assert.deepEqual(await store.takeOpenEnrollment("e1"), open);
    assert.equal(await store.takeOpenEnrollment("e1"), undefined);
    assert.equal(await store.takeOpenEnrollment("e2"), undefined);
  });

  test(
    "putOpenEnrollment() holds the limits of one token and of all: enrollment_limit_reached, enrollments_full",
    async (store, harness) => {
      const put = (enrollmentId: string, tokenId: string, expiresAtMs = endMs) =>
        store.putOpenEnrollment({ enrollmentId, tokenId, expiresAtMs, body: "{}" }, 1);
      await put("e1", "t1");
      await rejectsWith("enrollment_limit_reached", put("e2", "t1"));
      await put("e2", "t2");
      await put("e3", "t3");
      await rejectsWith("enrollments_full", put("e4", "t4"));
      harness.setWall(endMs);
      await put("e5", "t1", endMs * 2);
      harness.setWall(endMs + contractLimits.clockSkewMs);
      await put("e6", "t6", endMs * 2);
      assert.equal(await store.takeOpenEnrollment("e1"), undefined);
      assert.notEqual(await store.takeOpenEnrollment("e5"), undefined);
    },
  );

  test(
    "two connections: a token lets one machine in, a continuity has one writer",
    async (first, harness) => {
      if (!harness.shared) return;
      const second = await harness.open();
      await first.putEnrollmentToken(machineTokenOf("t"));
      const outcomes = await Promise.all([
        first.enrollMachine(enrollmentOf(1, { tokenId: "t" })),
        second.enrollMachine(enrollmentOf(2, { tokenId: "t" })),
      ]);
      assert.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ["enrolled", "token_refused"]);
      const [{ agentId }] = await second.machines(2);
      const advanced = await Promise.all([
        first.advanceContinuity(agentId, "1", 0),
        second.advanceContinuity(agentId, "2", 0),
      ]);
      assert.deepEqual(advanced.sort(), [false, true]);
      await first.revokeMachine({ agentId }, revocation);
      assert.equal((await second.machine(agentId))?.state, "revoked");
    },
  );
}
