/** What every store must do with attestations of channels. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type {
  AttestationHold,
  AttestationOpening,
  AttestationState,
  AttestationStep,
  Deferral,
  Store,
} from "../../src/ports/mod.ts";
import type { StoreHarness } from "./store.ts";

const startMs = Date.UTC(2026, 0, 1);
const liveUntilMs = startMs + 100_000;

const openingOf = (attestationId: string, change: Partial<AttestationOpening> = {}): AttestationOpening => ({
  attestationId,
  tunnelId: "tun_1",
  agentId: "agent-1",
  attestedAtMs: startMs,
  liveUntilMs,
  body: '{"a":1}',
  ...change,
});

const holdOf = (attestationId: string, change: Partial<AttestationHold> = {}): AttestationHold => {
  const { body: _body, ...opening } = openingOf(attestationId);
  return {
    ...opening,
    holder: "edge-1",
    sessionId: `session ${attestationId}`,
    deadlineMs: startMs + 5,
    ...change,
  };
};

const STEPS: readonly AttestationStep[] = [
  { state: "passed", attestedAtMs: startMs + 7, liveUntilMs: liveUntilMs + 7, deadlineMs: startMs + 9 },
  { state: "asked", deadlineMs: startMs + 8 },
  { state: "failed", code: "evidence_signature_invalid" },
  { state: "lapsed", code: "reauth_timeout" },
  { state: "ended" },
];

/** Registers the suite for one kind of store. */
export function attestationStoreContract(kind: string, makeHarness: () => Promise<StoreHarness>): void {
  const test = (name: string, body: (store: Store, harness: StoreHarness) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using harness = await makeHarness();
      harness.setWall(startMs);
      await body(await harness.open(), harness);
    });
  const stateOf = async (store: Store, id: string): Promise<AttestationState | undefined> =>
    (await store.attestation(id))?.state;

  test(
    "openAttestation() remembers a proof that held; holdAttestation() whose channel it is",
    async (store, harness) => {
      assert.equal(await store.attestation("a"), undefined);
      await store.openAttestation(openingOf("a"));
      const opened = {
        ...openingOf("a"),
        openedAtMs: startMs,
        changedAtMs: startMs,
        state: "passed" as const,
        attempts: 0,
      };
      assert.deepEqual(await store.attestation("a"), opened);
      assert.deepEqual(await store.attestations(10), [], "nobody has a channel");
      harness.setWall(startMs + 3);
      assert.equal(await store.holdAttestation(holdOf("a")), true);
      const held = {
        ...opened,
        changedAtMs: startMs + 3,
        holder: "edge-1",
        sessionId: "session a",
        deadlineMs: startMs + 5,
      };
      assert.deepEqual(await store.attestation("a"), held);
      assert.deepEqual(await store.attestations(10), [held]);
    },
  );

  test("holdAttestation() remembers one that another control judged", async (store) => {
    assert.equal(await store.holdAttestation(holdOf("a")), true);
    assert.deepEqual([await stateOf(store, "a"), (await store.attestation("a"))?.body], ["passed", "{}"]);
    assert.equal(await store.holdAttestation(holdOf("a", { agentId: "agent-2" })), false);
    assert.equal(await store.holdAttestation(holdOf("a", { tunnelId: "tun_2" })), false);
  });

  test(
    "stepAttestation() asks and passes as often as it likes, and counts how often it asked",
    async (store, harness) => {
      await store.openAttestation(openingOf("a"));
      harness.setWall(startMs + 1);
      for (const attempts of [1, 2]) {
        assert.equal(await store.stepAttestation("a", STEPS[1]), true);
        const asked = (await store.attestation("a"))!;
        assert.deepEqual([asked.state, asked.attempts, asked.deadlineMs], ["asked", attempts, startMs + 8]);
        assert.equal(await store.stepAttestation("a", STEPS[0]), true);
        const passed = (await store.attestation("a"))!;
        assert.deepEqual(
          [passed.state, passed.attestedAtMs, passed.liveUntilMs, passed.deadlineMs, passed.changedAtMs],
          ["passed", startMs + 7, liveUntilMs + 7, startMs + 9, startMs + 1],
        );
      }
      const { deadlineMs: _, ...judged } = STEPS[0] as Extract<AttestationStep, { state: "passed" }>;
      await store.stepAttestation("a", judged);
      assert.equal((await store.attestation("a"))?.deadlineMs, startMs + 9, "as it was");
      await store.stepAttestation("a", { ...judged, deadlineMs: null });
      assert.equal((await store.attestation("a"))?.deadlineMs, undefined);
      assert.equal(await store.stepAttestation("unknown", STEPS[0]), false);
    },
  );

  test("stepAttestation() and holdAttestation(): an end is final, whatever comes behind it", async (store) => {
    for (const end of STEPS.slice(2)) {
      const id = `of ${end.state}`;
      await store.openAttestation(openingOf(id, { agentId: end.state }));
      await store.holdAttestation(holdOf(id));
      assert.equal(await store.stepAttestation(id, end), true);
      const before = await store.attestation(id);
      assert.equal(before?.code, "code" in end ? end.code : undefined);
      for (const step of STEPS) assert.equal(await store.stepAttestation(id, step), false);
      assert.equal(await store.holdAttestation(holdOf(id)), false);
      assert.equal(await store.lapseAttestations("edge-1", "peer_closed"), 0);
      assert.deepEqual(await store.attestation(id), before);
    }
  });

  test("stepAttestation() failed takes the agent's other channels for the tunnel with it, and no one else's", async (store) => {
    await store.openAttestation(openingOf("a"));
    await store.openAttestation(openingOf("b"));
    await store.openAttestation(openingOf("other agent", { agentId: "agent-2" }));
    await store.openAttestation(openingOf("other tunnel", { tunnelId: "tun_2" }));
    assert.equal(await store.stepAttestation("a", STEPS[2]), true);
    const states = ["a", "b", "other agent", "other tunnel"].map((id) => stateOf(store, id));
    assert.deepEqual(await Promise.all(states), ["failed", "failed", "passed", "passed"]);
    await store.openAttestation(openingOf("c"));
    assert.equal(await stateOf(store, "c"), "passed", "a full handshake begins anew");
    assert.equal(await stateOf(store, "b"), "failed", "and makes nothing of before good");
  });

  test("newestAttestation() is one that stands before one that is over, of this agent and tunnel", async (store) => {
    const newest = async () => (await store.newestAttestation("tun_1", "agent-1"))?.attestationId;
    assert.equal(await newest(), undefined);
    await store.openAttestation(openingOf("a"));
    await store.openAttestation(openingOf("b", { attestedAtMs: startMs + 1 }));
    await store.openAttestation(openingOf("other agent", { agentId: "agent-2", attestedAtMs: startMs + 2 }));
    assert.equal(await newest(), "b");
    await store.stepAttestation("b", STEPS[3]);
    assert.equal(await newest(), "a");
    await store.stepAttestation("a", STEPS[2]);
    assert.equal(await newest(), "b");
  });

  test("lapseAttestations() ends what an edge had, and only that", async (store) => {
    for (const id of ["a", "b", "c"]) await store.openAttestation(openingOf(id));
    await store.holdAttestation(holdOf("a"));
    await store.stepAttestation("a", STEPS[1]);
    await store.holdAttestation(holdOf("b", { holder: "edge-2" }));
    assert.equal(await store.lapseAttestations("edge-1", "peer_closed"), 1);
    const states = ["a", "b", "c"].map((id) => stateOf(store, id));
    assert.deepEqual(await Promise.all(states), ["lapsed", "passed", "passed"]);
    assert.equal((await store.attestation("a"))?.code, "peer_closed");
  });

  test("attestations() tells the last change first", async (store, harness) => {
    for (const id of ["a", "b", "c"]) await store.holdAttestation(holdOf(id, { agentId: id }));
    for (const [at, id] of ["c", "a"].entries()) {
      harness.setWall(startMs + 1 + at);
      await store.stepAttestation(id, STEPS[4]);
    }
    const ids = (await store.attestations(10)).map(({ attestationId }) => attestationId);
    assert.deepEqual(ids, ["a", "c", "b"]);
    assert.equal((await store.attestations(2)).length, 2);
  });

  test(
    "openAttestation() keeps the newest few of an agent and tunnel, those that are over go first",
    async (store, harness) => {
      for (const [at, id] of ["a", "b", "c"].entries()) {
        await store.openAttestation(openingOf(id, { attestedAtMs: startMs + at }));
      }
      await store.stepAttestation("b", STEPS[4]);
      await store.openAttestation(openingOf("d", { attestedAtMs: startMs + 4 }));
      assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map((id) => stateOf(store, id))), [
        "passed",
        undefined,
        "passed",
        "passed",
      ]);
      await store.openAttestation(openingOf("e", { attestedAtMs: startMs + 5 }));
      assert.equal(await stateOf(store, "a"), undefined);
      harness.setWall(liveUntilMs + 86_400_000);
      await store.openAttestation(openingOf("f", { agentId: "agent-2" }));
      assert.deepEqual(
        await Promise.all(["c", "d", "e"].map((id) => stateOf(store, id))),
        Array(3).fill(undefined),
      );
    },
  );

  test(
    "openAttestation() lets go of proofs that no channel came of, when their tokens have ended",
    async (store, harness) => {
      const far = { liveUntilMs: startMs + 86_400_000 };
      for (const id of ["unused", "renewed", "held"]) {
        await store.openAttestation(openingOf(id, { ...far, agentId: id }));
      }
      await store.holdAttestation(holdOf("held", { ...far, agentId: "held" }));
      const renewed = { state: "passed", attestedAtMs: startMs + 1_000, ...far } as const;
      await store.stepAttestation("renewed", renewed);
      harness.setWall(startMs + 1_199_999);
      await store.openAttestation(
        openingOf("before", { ...far, agentId: "x", attestedAtMs: startMs + 9_000 }),
      );
      assert.equal(await stateOf(store, "unused"), "passed");
      harness.setWall(startMs + 1_200_000);
      await store.openAttestation(
        openingOf("behind", { ...far, agentId: "y", attestedAtMs: startMs + 9_000 }),
      );
      assert.deepEqual(await Promise.all(["unused", "renewed", "held"].map((id) => stateOf(store, id))), [
        undefined,
        "passed",
        "passed",
      ]);
    },
  );

  const deferral = (nowMs: number, byMs: number, capMs = 1_000): Deferral => ({
    tunnelId: "tun_1",
    agentId: "agent-1",
    nowMs,
    byMs,
    capMs,
  });

  test("deferAttestation() grants up to the cap, once and for all until endDeferral()", async (store) => {
    assert.equal(await store.deferralSpent("tun_1", "agent-1"), 0);
    assert.equal(await store.deferAttestation(deferral(0, 400)), 400);
    assert.equal(await store.deferAttestation(deferral(400, 400)), 400);
    assert.equal(await store.deferAttestation(deferral(50_000, 400)), 200, "what is left");
    assert.equal(await store.deferAttestation(deferral(90_000, 400)), 0);
    assert.equal(await store.deferralSpent("tun_1", "agent-1"), 1_000);
    assert.equal(await store.deferAttestation({ ...deferral(90_000, 400), agentId: "agent-2" }), 400);
    await store.endDeferral("tun_1", "agent-1");
    assert.equal(await store.deferAttestation(deferral(90_000, 400)), 400);
    assert.equal(await store.deferAttestation(deferral(0, 400, 0)), 0);
  });

  test("forgetDeferrals() forgets what was granted until before then, and nothing else", async (store) => {
    await store.deferAttestation(deferral(0, 400));
    await store.deferAttestation({ ...deferral(1_000, 400), agentId: "agent-2" });
    assert.equal(await store.forgetDeferrals(400), 0);
    assert.equal(await store.forgetDeferrals(401), 1);
    assert.equal(await store.deferralSpent("tun_1", "agent-1"), 0);
    assert.equal(await store.deferralSpent("tun_1", "agent-2"), 400);
  });

  test("deferAttestation() counts time that two channels of an agent put off together once", async (store) => {
    assert.equal(await store.deferAttestation(deferral(100, 400)), 400);
    assert.equal(await store.deferAttestation(deferral(200, 300)), 300);
    assert.equal(await store.deferralSpent("tun_1", "agent-1"), 400);
    assert.equal(await store.deferAttestation(deferral(300, 400)), 400);
    assert.equal(await store.deferralSpent("tun_1", "agent-1"), 600);
  });

  test("deferAttestation() never puts off more than the cap, whoever asks when", async (_store, harness) => {
    if (harness.shared) return; // the same statements: a file only makes it slow
    const store = await harness.open();
    const asks = fc.array(fc.record({ after: fc.nat(2_000), by: fc.nat(800) }), { maxLength: 30 });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(asks, fc.nat(5_000), async (all, capMs) => {
        const agentId = `agent-${runs++}`;
        const covered = new Set<number>();
        let nowMs = 0;
        for (const { after, by } of all) {
          nowMs += after;
          const granted = await store.deferAttestation({ ...deferral(nowMs, by, capMs), agentId });
          assert.ok(granted >= 0 && granted <= by);
          for (let ms = nowMs; ms < nowMs + granted; ms++) covered.add(ms);
        }
        assert.ok(covered.size <= capMs, `${covered.size} of ${capMs}`);
        assert.equal(await store.deferralSpent("tun_1", agentId), covered.size);
      }),
      { numRuns: 40 },
    );
  });
}
