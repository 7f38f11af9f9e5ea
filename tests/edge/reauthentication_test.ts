import assert from "node:assert/strict";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import { AgentSession } from "../../src/edge/mod.ts";
import { Reauthentication } from "../../src/edge/reauthentication.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Stage1Claims } from "../../src/identity/mod.ts";
import type { Store } from "../../src/ports/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import { nowSeconds, stage1Draft } from "../identity/support.ts";
import { ChannelPair, READY, TOKEN } from "../support/channel_pair.ts";
import type { StreamUser } from "../support/mux_pair.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

const ATTESTATION = "attestation-1";
const STATUS_URI = "https://authorizer.example/status";

interface SceneOptions {
  readonly claims?: Partial<Stage1Claims>;
  readonly store?: Store;
  readonly clock?: VirtualClock;
  /** First byte of the jitter: 0 is none, 0xff a fifth. */
  readonly jitter?: number;
  readonly attestationId?: string;
}

/** A real channel and a real store, in virtual time; tokens are what the test says. */
class Scene implements Disposable {
  readonly lost: string[] = [];
  readonly clock: VirtualClock;
  readonly pair: ChannelPair;
  readonly store: Store;
  readonly metrics = createMetrics();
  readonly logged: { level: string; event: string; fields: Record<string, unknown> }[] = [];
  readonly polls: number[] = [];
  readonly streams: StreamUser[] = [];
  readonly reauthentication: Reauthentication;
  readonly session: AgentSession;
  isWell = true;
  /** What the next proof says beyond what it has to. */
  proves: Partial<Stage1Claims> = {};
  refusal: PosternError | undefined;
  begun: Promise<number | undefined>;

  constructor({ claims, store, clock, jitter = 0, attestationId = ATTESTATION }: SceneOptions = {}) {
    const virtual = this.clock = clock ?? new VirtualClock(nowSeconds * 1_000, 1_000);
    const pair = this.pair = new ChannelPair();
    pair.now = virtual.now();
    this.store = store ?? openSqliteStore(":memory:", { wall: () => virtual.wall() });
    const session = this.session = new AgentSession({
      id: `session of ${attestationId}`,
      claims: {
        ...stage1Draft,
        iat: nowSeconds,
        exp: nowSeconds + 30,
        jti: "jti-0123456789",
        attestation_id: attestationId,
        reauth_version: 1,
        ...claims,
      },
      channel: pair.edge.channel,
      pump: { retain: () => undefined, bytesIn: 0, bytesOut: 0 },
      since: 0,
      remoteAddress: "192.0.2.1:1",
    });
    const attestations = {
      hold: (hold: Parameters<Store["holdAttestation"]>[0]) =>
        this.store.holdAttestation({ ...hold, holder: "edge-1" }),
      step: (id: string, step: Parameters<Store["stepAttestation"]>[1]) =>
        this.store.stepAttestation(id, step),
      defer: (deferral: Parameters<Store["deferAttestation"]>[0]) => this.store.deferAttestation(deferral),
      endDeferral: (tunnelId: string, agentId: string) => this.store.endDeferral(tunnelId, agentId),
      deferralSpent: (tunnelId: string, agentId: string) => this.store.deferralSpent(tunnelId, agentId),
      lost: (tunnelId: string, agentId: string) => void this.lost.push(`${tunnelId} ${agentId}`),
      isHealthy: (uri: string) => {
        assert.equal(uri, STATUS_URI);
        this.polls.push(virtual.now());
        return Promise.resolve(this.isWell);
      },
    };
    this.reauthentication = new Reauthentication({
      session,
      channel: pair.edge.channel,
      context: {
        clock: virtual,
        random: (bytes) => new Uint8Array(bytes).fill(jitter),
        metrics: this.metrics,
        log: (level, event, fields = {}) => void this.logged.push({ level, event, fields }),
        config: edgeDefaults(),
      },
      registry: { attestations, verifyStage1: () => this.#verify() },
    });
    pair.edge.onReauthProof = () => void this.reauthentication.proved(pair.edge.reauthProofs.at(-1)!);
    pair.edge.onProof = () => pair.edge.channel.accept(READY, pair.now);
    pair.edge.onEnd = (error) => void this.reauthentication.ended(error);
    pair.establish();
    this.streams.push(pair.agent.open());
    pair.settle();
    this.begun = this.reauthentication.begin();
    this.begun.catch(() => {});
  }

  #verify(): Promise<Stage1Claims> {
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    const proof = this.pair.edge.reauthProofs.at(-1)!;
    assert.equal(proof.token, TOKEN);
    return Promise.resolve({
      ...this.session.claims,
      session_nonce: toBase64Url(proof.sessionNonce),
      handshake_hash: toBase64Url(proof.handshakeHash),
      agent_static: toBase64Url(proof.agentStatic),
      issued_at_quote: Math.floor(this.clock.wall() / 1_000),
      ...this.proves,
    });
  }

  /** Lets time pass for schedule, store and both channels. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    for (;;) {
      await this.#rest();
      const channels = Math.min(...this.pair.ends.map(({ channel }) => channel.deadline));
      const next = Math.min(this.clock.nextAtMs ?? Infinity, channels, until);
      await this.clock.advanceAsync(Math.max(0, next - this.clock.now()));
      this.pair.now = this.clock.now();
      for (const { channel } of this.pair.ends) {
        if (this.pair.now >= channel.deadline) channel.timeout(this.pair.now);
      }
      await this.#rest();
      if (this.clock.now() >= until) return;
    }
  }

  async #rest(): Promise<void> {
    for (let turn = 0; turn < 6; turn++) {
      await settle();
      this.pair.settle();
    }
  }

  get isStanding(): boolean {
    return this.pair.ends.every(({ ended }) => !ended);
  }
  async record(attestationId = ATTESTATION) {
    return (await this.store.attestation(attestationId))!;
  }
  async count(series: string, labels: Record<string, string> = {}): Promise<number> {
    const metric = await this.metrics.registry.getSingleMetric(series)!.get();
    const found = metric.values.find(({ labels: all }) =>
      Object.entries(labels).every(([name, value]) => all[name as keyof typeof all] === value)
    );
    return found?.value ?? 0;
  }
  /** Asserts that both ends were cut with this code, streams and all, and why it says so. */
  async assertCut(code: string, why: string, state: string): Promise<void> {
    assert.deepEqual(this.pair.ends.map(({ channel }) => channel.reason), [code, code]);
    assert.deepEqual(this.streams.map(({ reset }) => reset), this.streams.map(() => "channel_lost"));
    const record = await this.record();
    assert.deepEqual([record.state, record.code], [state, why]);
    assert.equal(await this.count("postern_reauth_total", { result: "failed", code: why }), 1);
    assert.equal(await this.count("postern_reauth_in_progress"), 0);
    assert.deepEqual(this.lost, [`${this.session.tunnelId} agent-abc`], "what else it has ends as well");
    const line = this.logged.find(({ event }) => event.startsWith("re-authentication failed"))!;
    assert.deepEqual([line.level, line.fields.code, line.fields.agent_id], ["warn", why, "agent-abc"]);
  }

  [Symbol.dispose](): void {
    void this.store.close();
  }
}

Deno.test("Reauthentication asks whenever the interval of the claims is over, and takes over new ones", async () => {
  using scene = new Scene();
  assert.equal(await scene.begun, 300_000);
  const begin = scene.clock.wall();
  assert.deepEqual(scene.reauthentication.status(), {
    state: "passed",
    attested_at: begin,
    reauth_at: begin + 300_000,
    reauth_deadline: begin + 310_000,
    attempts: 0,
    deferral_spent_ms: 0,
  });
  await scene.pass(299_999);
  assert.equal(scene.pair.agent.reauths.length, 0);
  scene.proves = { reauth_interval_seconds: 60, reauth_grace_seconds: 5, tier: "tpm" };
  await scene.pass(1);
  assert.equal(scene.pair.agent.reauths.length, 1);
  assert.equal(scene.pair.agent.reauths[0].withinMs, 10_000);
  assert.deepEqual(scene.pair.agent.reauthenticated, [60_000]);
  assert.equal(scene.session.claims.tier, "tpm");
  await scene.pass(60_000);
  assert.equal(scene.pair.agent.reauths[1].withinMs, 5_000);
  assert.ok(scene.isStanding);
  const record = await scene.record();
  assert.deepEqual([record.state, record.attempts, record.holder], ["passed", 2, "edge-1"]);
  assert.equal(record.deadlineMs, scene.clock.wall() + 65_000);
  assert.equal(await scene.count("postern_reauth_total", { result: "succeeded" }), 2);
  assert.equal(await scene.count("postern_reauth_in_progress"), 0);
});

Deno.test("Reauthentication waits up to a fifth longer than the interval", async () => {
  using scene = new Scene({ jitter: 0xff });
  assert.equal(await scene.begun, 359_999);
});

Deno.test("Reauthentication asks no more when the new claims name no interval, and never where none was named", async () => {
  using scene = new Scene();
  await scene.begun;
  scene.proves = { reauth_interval_seconds: undefined };
  await scene.pass(3_000_000);
  assert.deepEqual(scene.pair.agent.reauthenticated, [undefined]);
  assert.equal((await scene.record()).deadlineMs, undefined);
  using never = new Scene({ claims: { reauth_interval_seconds: undefined } });
  assert.equal(await never.begun, undefined);
  await never.pass(3_000_000);
  assert.equal(never.pair.agent.reauths.length, 0);
});

Deno.test("Reauthentication asks agents of other issuers as well, whose tokens name no attestation", async () => {
  using scene = new Scene({ claims: { attestation_id: undefined } });
  await scene.begun;
  await scene.pass(300_000);
  assert.equal(scene.pair.agent.reauthenticated.length, 1);
  const { state, attempts } = await scene.record("jti-0123456789");
  assert.deepEqual([state, attempts], ["passed", 1]);
  scene.pair.agent.onReauth = () => {};
  await scene.pass(310_000);
  assert.equal((await scene.record("jti-0123456789")).state, "lapsed");
});

Deno.test("Reauthentication never logs a nonce, and names session and agent on every line", async () => {
  using scene = new Scene();
  await scene.begun;
  await scene.pass(700_000);
  const nonces = scene.pair.agent.reauths.map(({ sessionNonce }) => toBase64Url(sessionNonce));
  assert.equal(nonces.length, 2);
  for (const { fields } of scene.logged) {
    assert.ok(!nonces.some((nonce) => JSON.stringify(fields).includes(nonce)));
    assert.deepEqual([fields.session_id, fields.agent_id], ["session of attestation-1", "agent-abc"]);
  }
  const asked = scene.logged.find(({ event }) => event === "re-authentication requested")!;
  assert.equal(asked.level, "debug");
  assert.match(String(asked.fields.reauth_deadline), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

Deno.test("Reauthentication: an agent that is silent is cut when the grace time is over, with all streams", async () => {
  using scene = new Scene();
  await scene.begun;
  scene.pair.agent.onReauth = () => {};
  await scene.pass(300_000 + 9_999);
  assert.ok(scene.isStanding);
  assert.equal(scene.reauthentication.status().state, "asked");
  assert.equal(await scene.count("postern_reauth_in_progress"), 1);
  assert.equal((await scene.record()).state, "asked");
  await scene.pass(1);
  await scene.assertCut("reauth_timeout", "reauth_timeout", "lapsed");
});

const refused: [string, Partial<Stage1Claims>, string][] = [
  ["another nonce", { session_nonce: toBase64Url(new Uint8Array(32)) }, "stage1_wrong_nonce"],
  ["another channel", { handshake_hash: toBase64Url(new Uint8Array(32)) }, "stage1_wrong_channel"],
  ["another agent", { agent_id: "agent-else" }, "reauth_wrong_agent"],
  ["another attestation", { attestation_id: "attestation-9" }, "reauth_wrong_agent"],
  ["another tunnel", { sub: "tun_2" }, "stage1_wrong_routes"],
  ["other routes", { hostnames: ["more.tunnel.example"] }, "stage1_wrong_routes"],
];
for (const [what, proves, why] of refused) {
  Deno.test(`Reauthentication cuts with reauth_failed when the new token is for ${what}, for good`, async () => {
    using scene = new Scene();
    await scene.begun;
    scene.proves = proves;
    await scene.pass(300_000);
    await scene.assertCut("reauth_failed", why, "failed");
    scene.proves = {};
    await scene.pass(3_000_000);
    assert.equal((await scene.record()).state, "failed");
  });
}

Deno.test("Reauthentication cuts with reauth_failed when the tier is weaker, or the token is not good", async () => {
  using weaker = new Scene({ claims: { tier: "tpm" } });
  await weaker.begun;
  weaker.proves = { tier: "bound-key" };
  await weaker.pass(300_000);
  await weaker.assertCut("reauth_failed", "reauth_weaker_tier", "failed");
  using expired = new Scene();
  await expired.begun;
  expired.refusal = new PosternError("token_expired");
  await expired.pass(300_000);
  await expired.assertCut("reauth_failed", "token_expired", "failed");
});

Deno.test("Reauthentication: an attestation that failed on another channel cuts this one when it is asked", async () => {
  using scene = new Scene();
  await scene.begun;
  await scene.store.stepAttestation(ATTESTATION, { state: "failed", code: "pcr_value_refused" });
  await scene.pass(300_000);
  assert.equal(scene.pair.agent.reauths.length, 0);
  assert.equal(scene.pair.edge.channel.reason, "reauth_failed");
  assert.equal((await scene.record()).code, "pcr_value_refused", "the first reason stands");
});

Deno.test("Reauthentication: an attestation that is over opens no channel", async () => {
  using first = new Scene();
  await first.begun;
  await first.store.stepAttestation(ATTESTATION, { state: "ended" });
  using second = new Scene({ store: first.store });
  await assert.rejects(second.begun, { code: "reauth_failed" });
});

Deno.test("Reauthentication: a channel that was cut for another reason ends with that reason", async () => {
  using scene = new Scene();
  await scene.begun;
  scene.pair.edge.channel.close(new PosternError("machine_revoked"), scene.pair.now);
  await scene.pass(0);
  const { state, code } = await scene.record();
  assert.deepEqual([state, code], ["ended", "machine_revoked"]);
});

Deno.test("Reauthentication: a channel that ends in order is noted so, one that ends while asked has lapsed", async () => {
  using ordered = new Scene();
  await ordered.begun;
  ordered.pair.agent.channel.drain("draining", 1_000, ordered.pair.now);
  await ordered.pass(1_000);
  assert.deepEqual([(await ordered.record()).state, ordered.isStanding], ["ended", false]);
  assert.equal((await ordered.record()).code, "drain_deadline");
  assert.equal(await ordered.count("postern_reauth_total", { result: "failed" }), 0);
  using asked = new Scene();
  await asked.begun;
  asked.pair.agent.onReauth = () => {};
  await asked.pass(300_000);
  asked.pair.cut();
  await asked.pass(0);
  assert.deepEqual([(await asked.record()).state, (await asked.record()).code], ["lapsed", "peer_closed"]);
  using told = new Scene();
  await told.begun;
  told.pair.agent.onReauth = () =>
    told.pair.agent.channel.close(new PosternError("reauth_failed"), told.pair.now);
  await told.pass(300_000);
  assert.deepEqual([(await told.record()).state, (await told.record()).code], ["failed", "reauth_failed"]);
});

Deno.test("Reauthentication asks agents that cannot answer to come again, and cuts them when they do not", async () => {
  using scene = new Scene({ claims: { reauth_version: undefined } });
  await scene.begun;
  await scene.pass(300_000);
  assert.deepEqual(scene.pair.agent.reauths, []);
  assert.equal(scene.pair.agent.goaways[0].reason, "draining");
  assert.ok(scene.isStanding, "open streams go on");
  await scene.pass(30_000);
  assert.ok(!scene.isStanding);
  // One that drains already, with a time of its own choice.
  using slow = new Scene({ claims: { reauth_version: undefined } });
  await slow.begun;
  slow.pair.agent.channel.drain("draining", 4_000_000_000, slow.pair.now);
  await slow.pass(329_999);
  assert.ok(slow.isStanding);
  await slow.pass(1);
  assert.equal(slow.pair.edge.channel.reason, "reauth_timeout");
});

const maintained = { authorizer_status_uri: STATUS_URI, maintenance_grace_cap_seconds: 1_000 };

Deno.test("Reauthentication polls the authorizer before it asks, and asks when that is well", async () => {
  using scene = new Scene({ claims: maintained });
  await scene.begun;
  await scene.pass(300_000);
  assert.equal(scene.polls.length, 1);
  assert.equal(scene.pair.agent.reauthenticated.length, 1);
});

Deno.test("Reauthentication puts off by an interval while the authorizer is not well, up to the cap, then asks all the same", async () => {
  using scene = new Scene({ claims: maintained });
  await scene.begun;
  scene.isWell = false;
  scene.pair.agent.onReauth = () => {};
  await scene.pass(310_000);
  assert.ok(scene.polls.length === 3, "a few times, for a moment's trouble");
  assert.deepEqual(
    [scene.reauthentication.status().state, scene.reauthentication.status().deferral_spent_ms],
    ["deferred", 300_000],
  );
  assert.equal(await scene.count("postern_maintenance_defer_total"), 1);
  assert.equal(await scene.count("postern_reauth_total", { result: "deferred" }), 1);
  await scene.pass(1_000_000);
  assert.equal(await scene.count("postern_maintenance_defer_total"), 4, "300, 300, 300, 100 s");
  assert.equal(await scene.store.deferralSpent("tun_1", "agent-abc"), 1_000_000);
  assert.equal(scene.pair.agent.reauths.length, 1);
  await scene.pass(10_000);
  await scene.assertCut("reauth_timeout", "reauth_timeout", "lapsed");
  assert.equal(
    await scene.store.deferralSpent("tun_1", "agent-abc"),
    1_000_000,
    "and is not refilled by that",
  );
});

Deno.test("Reauthentication: what was put off is spent until the authorizer is well or a proof was given, also by other channels", async () => {
  using first = new Scene({ claims: maintained });
  await first.begun;
  first.isWell = false;
  await first.pass(1_250_000);
  first.pair.cut();
  await first.pass(0);
  const { store, clock } = first;
  assert.ok(await store.deferralSpent("tun_1", "agent-abc") > 900_000);
  // The agent comes again with a full handshake while the authorizer is still down.
  const again = new Scene({ claims: maintained, store, clock, attestationId: "attestation-2" });
  await again.begun;
  again.isWell = false;
  await again.pass(320_000);
  assert.ok(await again.count("postern_maintenance_defer_total") <= 1, "at most what was left");
  await again.pass(200_000);
  assert.equal(again.pair.agent.reauthenticated.length, 1, "asked all the same; its proof holds");
  assert.equal(await store.deferralSpent("tun_1", "agent-abc"), 0, "a proof refills");
  again.pair.cut();
  await again.pass(0);
});

Deno.test("Reauthentication puts nothing off that it cannot remember", async () => {
  using scene = new Scene({ claims: maintained });
  await scene.begun;
  scene.isWell = false;
  const store = scene.store as { -readonly [K in keyof Store]: Store[K] };
  store.deferAttestation = () => Promise.reject(new PosternError("store_busy"));
  await scene.pass(310_000);
  assert.equal(scene.pair.agent.reauths.length, 1);
});

Deno.test("Reauthentication: a store that is busy for a moment costs nothing, one that stays so costs the channel", async () => {
  for (const [failures, survives] of [[2, true], [1_000, false]] as const) {
    using scene = new Scene();
    await scene.begun;
    const store = scene.store as { -readonly [K in keyof Store]: Store[K] };
    const step = store.stepAttestation;
    let left: number = failures;
    store.stepAttestation = (id, change) =>
      left-- > 0 ? Promise.reject(new PosternError("store_busy")) : step(id, change);
    await scene.pass(300_000);
    assert.equal(scene.isStanding, survives);
    assert.equal(scene.pair.agent.reauthenticated.length, survives ? 1 : 0);
    assert.equal(scene.logged.some(({ event }) => event.startsWith("end of attestation")), !survives);
  }
});
