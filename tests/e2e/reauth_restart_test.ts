/**
 * Edge and control are killed at every moment at which they touch what is remembered, before and after it is written, and
 * started again. Whatever comes of it: nothing counts as attested without a proof that was verified.
 */
import assert from "node:assert/strict";
import { EvidenceProver } from "../../agent/evidence.ts";
import type { ChallengeRequest } from "../../agent/control_messages.ts";
import { boundKeyProvider, boundKeyVerifier, type EvidenceVerifier } from "../../src/attestation/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import { answerChallenge, openChallenge } from "../../src/control/attestation.ts";
import {
  controlDefaults,
  type ControlDeps,
  NodeAuthorities,
  openKeyset,
  unmeasured,
} from "../../src/control/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { AgentSession } from "../../src/edge/mod.ts";
import { Reauthentication } from "../../src/edge/reauthentication.ts";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { issueStage0, matchStages, verifyStage0, verifyStage1 } from "../../src/identity/mod.ts";
import type { Store } from "../../src/ports/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import { noDelivery } from "../control/support.ts";
import { issuer } from "../identity/support.ts";
import { ChannelPair, READY } from "../support/channel_pair.ts";
import { MemoryVault } from "../support/memory_vault.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

const settings = edgeDefaults();
const provider = await boundKeyProvider(new Uint8Array(32).fill(9));
const intervalMs = 300_000;
const graceMs = 10_000;
const capMs = 400_000;
const audience = ["postern-edge"];
/** Seldom: it is not what this is about. */
const heartbeat = { intervalMs: 3_000_000, offlineMs: 3_600_000 };

/** Signatures and writes that are under way: virtual time must not pass meanwhile. */
let underWay = 0;
for (const name of ["sign", "verify", "importKey", "digest"] as const) {
  const real = crypto.subtle[name].bind(crypto.subtle) as (...args: unknown[]) => Promise<unknown>;
  Object.defineProperty(crypto.subtle, name, {
    value: (...args: unknown[]) => {
      underWay++;
      return real(...args).finally(() => underWay--);
    },
  });
}

/** Kills its process at the `left`th moment, counted from 0; never when that is Infinity. */
class Fuse {
  #left: number;
  isBlown = false;
  onBlow: () => void = () => {};

  constructor(left: number) {
    this.#left = left;
  }

  /** Throws in a process that is dead. */
  moment(): void {
    if (!this.isBlown && this.#left-- === 0) {
      this.isBlown = true;
      this.onBlow();
    }
    if (this.isBlown) throw new PosternError("store_failed", "Cannot use store: its process was killed");
  }
}

/** What one process has of the store. */
function seenBy(store: Store, fuse: Fuse, onCall: () => void): Store {
  return new Proxy(store, {
    get: (target, name) => async (...args: unknown[]) => {
      onCall();
      fuse.moment();
      const call = target[name as keyof Store] as (...args: unknown[]) => Promise<unknown>;
      underWay++;
      const result = await call.apply(target, args).finally(() => underWay--);
      fuse.moment(); // written, and nobody hears of it
      return result;
    },
  });
}

class World {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 1), 1_000);
  /** What is on disk: it outlives every process. */
  readonly store: Store;
  readonly metrics = createMetrics();
  /** Wall times at which evidence held, and of refusals. */
  readonly verified: number[] = [];
  readonly refusedAttestations = new Set<string>();
  readonly reauthTokens = new Set<string>();
  readonly #vault = new MemoryVault();
  #control!: ControlDeps;
  #edgeStore!: Store;
  #busy = 0;
  #calls = 0;
  pair: ChannelPair | undefined;
  /** By which the channel stands. */
  attestationId: string | undefined;
  isGood = true;
  isWell = true;

  constructor() {
    this.store = openSqliteStore(":memory:", { wall: () => this.clock.wall() });
  }

  async startControl(fuse: Fuse): Promise<void> {
    const store = seenBy(this.store, fuse, () => this.#calls++);
    const keyset = await openKeyset({ store: this.store, clock: this.clock, random: systemRandom });
    const verifier: EvidenceVerifier = {
      kind: "bound-key",
      verify: async (evidence, context) => {
        const verdict = await boundKeyVerifier.verify(evidence, context);
        if (!this.isGood) throw new PosternError("pcr_value_refused");
        this.verified.push(this.clock.wall());
        return verdict;
      },
    };
    this.#control = {
      store,
      keyset,
      clock: this.clock,
      random: systemRandom,
      config: {
        ...controlDefaults,
        attestation: settings.attestation,
        identity: settings.identity,
        grants: settings.privateChannels,
        tokens: settings.tokens,
        limits: { ...settings.limits, maxBodyBytes: settings.limits.maxControlBodyBytes },
        issuer,
        publicDomain: "tunnel.example",
        reauth: { intervalMs, graceMs, maintenanceCapMs: capMs, authorizerStatusUri: "https://a.example/" },
      },
      edges: () => [],
      askEdges: () => Promise.resolve({ answers: [], silent: [] }),
      delivery: noDelivery,
      version: "1",
      publicUrl: () => issuer,
      presence: () => ({ status: "offline", agents: 0, tiers: [] }),
      events: { onTunnelDeleted() {}, onRulesChanged() {} },
      log() {},
      identities: await NodeAuthorities.open({
        store: this.store,
        vault: this.#vault,
        clock: this.clock,
        random: systemRandom,
        log() {},
        trustDomain: "tunnel.example",
      }),
      machineTrust: { judgeKeys: () => Promise.reject(new PosternError("internal_error")) },
      verifiers: [verifier],
      policyOf: () => Promise.resolve(unmeasured),
    };
  }

  /** As the composition does it: what this edge had before is over. */
  async startEdge(fuse: Fuse): Promise<void> {
    this.#edgeStore = seenBy(this.store, fuse, () => this.#calls++);
    fuse.onBlow = () => {
      this.pair?.cut();
      this.pair = undefined;
    };
    await this.store.lapseAttestations("edge-1", "channel_closed");
    for (const { state, holder } of await this.store.attestations(100)) {
      assert.ok(holder !== "edge-1" || (state !== "passed" && state !== "asked"), `${state} after a restart`);
    }
  }

  /** A full handshake of the agent; false when it came to nothing. */
  async open(): Promise<boolean> {
    const { keyset } = this.#control;
    const now = () => ({ audience, issuer, nowMs: this.clock.wall() });
    const draft = {
      iss: issuer,
      aud: audience,
      sub: "tun_1",
      hostnames: ["demo.tunnel.example"],
      tls_hostnames: [],
      tcp_ports: [],
      udp_ports: [],
      weight: 1,
      protocol: "http" as const,
      transports: ["wss" as const],
      handshake_max_age_seconds: 60,
    };
    const issue = { nowMs: this.clock.wall(), random: systemRandom, ttlSeconds: 60 };
    const { token: stage0Token } = await issueStage0(draft, keyset, issue);
    const stage0 = await verifyStage0(stage0Token, keyset, now());
    const prover = this.#prover(stage0Token);
    const pair = this.pair = new ChannelPair({ limits: { heartbeat } });
    const { agent, edge } = pair;
    const edgeStore = this.#edgeStore;
    pair.now = this.clock.now();
    const signal = new AbortController().signal;
    agent.onChallenge = () =>
      this.#track(prover.open(agent.challenge!, signal), ({ token }) => agent.channel.prove(token, pair.now));
    agent.onReauth = () =>
      this.#track(
        prover.again(agent.reauths.at(-1)!, signal),
        ({ token }) => agent.channel.proveAgain(token, pair.now),
        (error) => {
          if (!error.retryable) agent.channel.close(new PosternError("reauth_failed"), pair.now);
        },
      );
    let reauthentication: Reauthentication | undefined;
    edge.onReauthProof = () => this.#track(reauthentication!.proved(edge.reauthProofs.at(-1)!), () => {});
    edge.onEnd = (error) => this.#track(reauthentication?.ended(error) ?? Promise.resolve(), () => {});
    edge.onProof = () =>
      this.#track(
        (async () => {
          const claims = await verifyStage1(edge.proof!.token, keyset, now());
          matchStages(stage0, claims, edge.proof!);
          const session = new AgentSession({
            id: `session at ${this.clock.now()}`,
            claims,
            channel: edge.channel,
            pump: { retain: () => undefined, bytesIn: 0, bytesOut: 0 },
            since: 0,
            remoteAddress: "192.0.2.1:1",
          });
          reauthentication = new Reauthentication({
            session,
            channel: edge.channel,
            context: {
              clock: this.clock,
              random: (bytes) => new Uint8Array(bytes),
              metrics: this.metrics,
              log() {},
              config: settings,
            },
            registry: {
              attestations: {
                hold: (hold) => edgeStore.holdAttestation({ ...hold, holder: "edge-1" }),
                step: (id, step) => edgeStore.stepAttestation(id, step),
                defer: (deferral) => edgeStore.deferAttestation(deferral),
                endDeferral: (tunnelId, agentId) => edgeStore.endDeferral(tunnelId, agentId),
                deferralSpent: (tunnelId, agentId) => edgeStore.deferralSpent(tunnelId, agentId),
                lost: () => {},
                isHealthy: () => Promise.resolve(this.isWell),
              },
              verifyStage1: (token) => verifyStage1(token, keyset, now()),
            },
          });
          await reauthentication.begin();
          this.attestationId = claims.attestation_id;
          edge.channel.accept({
            ...READY,
            heartbeat_ms: heartbeat.intervalMs,
            offline_ms: heartbeat.offlineMs,
          }, pair.now);
        })(),
        () => {},
        (error) => edge.channel.refuse(error, pair.now),
      );
    pair.start();
    await this.pass(1_000);
    const isOpen = this.pair === pair && edge.channel.state === "established";
    if (!isOpen) {
      pair.cut();
      this.pair = undefined;
    }
    return isOpen;
  }

  /** The agent's way to control. */
  #prover(stage0Token: string): EvidenceProver {
    const control = {
      challenge: async (request: ChallengeRequest) => {
        const { stage0_token, reauth_token } = request;
        const opened = await openChallenge(this.#control, {
          authority: reauth_token === undefined
            ? { stage0Token: stage0_token! }
            : { reauthToken: reauth_token },
          sessionNonce: request.session_nonce,
          handshakeHash: request.handshake_hash,
          agentStatic: request.agent_static,
          agentId: request.agent_id,
          reauthVersion: 1,
        });
        return {
          challenge_id: opened.challengeId,
          authority_nonce: opened.authorityNonce,
          policy_version: opened.policyVersion,
        };
      },
      evidence: async ({ challenge_id, evidence }: { challenge_id: string; evidence: { kind: string } }) => {
        const { stage1, reauth } = await answerChallenge(this.#control, challenge_id, evidence);
        this.reauthTokens.add(reauth!.token);
        return { stage1_token: stage1.token, reauth_token: reauth!.token };
      },
    };
    return new EvidenceProver({ control, provider, stage0Token, clock: this.clock, random: systemRandom });
  }

  #track<T>(
    promise: Promise<T>,
    then: (value: T) => void,
    otherwise: (error: PosternError) => void = () => {},
  ): void {
    this.#busy++;
    promise.then(then, otherwise).finally(() => this.#busy--);
  }

  async pass(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    for (;;) {
      await this.#rest();
      const ends = this.pair?.ends ?? [];
      const channels = Math.min(...ends.map(({ channel }) => channel.deadline));
      const next = Math.min(this.clock.nextAtMs ?? Infinity, channels, until);
      await this.clock.advanceAsync(Math.max(0, next - this.clock.now()));
      if (this.pair !== undefined) this.pair.now = this.clock.now();
      for (const { channel } of ends) {
        if (this.clock.now() >= channel.deadline) channel.timeout(this.clock.now());
      }
      await this.#rest();
      if (this.clock.now() >= until) return;
    }
  }

  /** Until nothing moves by itself; who waits for time is left waiting. */
  async #rest(): Promise<void> {
    const moved = () => `${this.#busy} ${this.#calls} ${this.pair?.ends.map(({ wakes }) => wakes)}`;
    for (let quiet = 0; quiet < (this.#busy > 0 ? 12 : 3); quiet++) {
      const before = moved();
      await settle();
      this.pair?.settle();
      if (underWay > 0 || before !== moved()) quiet = 0;
    }
  }

  /** What has to hold at every moment. */
  async check(): Promise<void> {
    const records = await this.store.attestations(1_000);
    for (const record of records) {
      const { attestationId, state, attestedAtMs } = record;
      assert.ok(
        this.verified.some((at) => Math.abs(at - attestedAtMs) < 1_000),
        `${attestationId} counts as attested at ${attestedAtMs}, when nothing was verified`,
      );
      if (state === "failed") this.refusedAttestations.add(attestationId);
      else assert.ok(!this.refusedAttestations.has(attestationId), `${state} after a failure`);
    }
    if (this.pair?.edge.channel.state === "established") {
      const state = records.find(({ attestationId }) => attestationId === this.attestationId)?.state;
      assert.ok(state === "passed" || state === "asked", `a channel stands by what has ${state}`);
    }
    const spent = await this.store.deferralSpent("tun_1", provider.agentId);
    assert.ok(spent <= capMs);
  }

  /** No token of before renews what is over. */
  async checkTokens(): Promise<void> {
    const live = new Set(
      (await this.store.attestations(1_000)).filter(({ state }) => state === "passed" || state === "asked")
        .map(({ attestationId }) => attestationId),
    );
    for (const token of this.reauthTokens) {
      const { attestation_id: id } = JSON.parse(
        atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")),
      );
      const record = await this.store.attestation(id);
      if (record?.holder === undefined || live.has(id)) continue;
      const fields = { sessionNonce: "", handshakeHash: "", agentStatic: "" };
      await assert.rejects(
        openChallenge({ ...this.#control, store: this.store }, {
          authority: { reauthToken: token },
          ...fields,
        }),
        (error) => /^(attestation_(over|failed)|token_expired)$/.test(codeOf(error)),
      );
    }
  }
}

/** A day of an edge in which everything happens. Whether somebody was killed in it. */
async function day(who: "edge" | "control", moment: number): Promise<boolean> {
  const world = new World();
  const fuse = new Fuse(moment);
  const never = new Fuse(Infinity);
  const spentNow = () => world.store.deferralSpent("tun_1", provider.agentId);
  try {
    await world.store.claimTunnel({
      tunnelId: "tun_1",
      name: "demo",
      owner: "alice",
      anonymous: false,
      protocol: "http",
      createdAtMs: world.clock.wall(),
      heldUntilMs: world.clock.wall(),
      maxTunnels: 1,
    });
    await world.startControl(who === "control" ? fuse : never);
    await world.startEdge(who === "edge" ? fuse : never);
    const scenes: (() => void)[] = [
      () => {},
      () => world.isWell = false,
      () => world.isWell = true,
      () => world.isGood = false,
      () => world.isGood = true,
      () => {},
    ];
    let isAgain = false;
    for (const scene of scenes) {
      scene();
      if (world.pair === undefined) await world.open();
      await world.check();
      const spent = await spentNow();
      await world.pass(intervalMs + graceMs);
      await world.check();
      if (!world.isWell) {
        assert.ok(await spentNow() >= spent, "nothing is refilled while the authorizer is down");
      }
      if (fuse.isBlown && !isAgain) { // whoever was killed is started again, over what is on disk
        isAgain = true;
        const before = await spentNow();
        if (who === "control") await world.startControl(never);
        else await world.startEdge(new Fuse(Infinity));
        assert.equal(await spentNow(), before, "a restart refills nothing");
      }
      if (world.pair?.edge.ended || world.pair?.agent.ended) world.pair = undefined;
      await world.checkTokens();
      await world.check();
    }
    const wasKilled = fuse.isBlown;
    if (world.pair === undefined) {
      await world.startControl(never);
      await world.startEdge(new Fuse(Infinity));
      assert.ok(await world.open(), "a full handshake helps, whatever was before");
    }
    await world.check();
    assert.equal((await world.store.attestation(world.attestationId!))?.state, "passed");
    return wasKilled;
  } finally {
    await world.store.close();
  }
}

for (const [who, least] of [["edge", 30], ["control", 80]] as const) {
  Deno.test(`an ${who === "edge" ? "edge" : "edge's control"} killed at any moment leaves nothing attested that was not proved`, async () => {
    let moment = 0;
    while (await day(who, moment)) moment++;
    assert.ok(moment >= least, `${moment} moments`);
  });
}
