import assert from "node:assert/strict";
import { type ControlConfig, controlDefaults } from "../src/control/mod.ts";
import { edgeDefaults } from "../src/config/mod.ts";
import { issueStage0, issueStage1, readHmacSecrets, type Stage0Claims } from "../src/identity/mod.ts";
import type { MachineEnrollment, Store } from "../src/ports/mod.ts";
import { openSqliteStore } from "../src/store/mod.ts";
import { LocalVerifier } from "../src/tokens/local_verifier.ts";
import { TokenVerifier } from "../src/tokens/mod.ts";
import { tokenGate } from "../src/token_gate.ts";
import { enrollmentOf, machineTokenOf } from "./contract/machine_store.ts";
import { claimOf } from "./contract/store.ts";
import {
  countingRandom,
  issuer,
  newKeyset,
  nowMs,
  refusedWith,
  stage0Draft,
  stage1Draft,
} from "./identity/support.ts";
import { secret, signed } from "./tokens/support.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

const agent = { agent_id: "agent", tier: "bound-key" } as const;

async function setUp(attestation: ControlConfig["attestation"] = edgeDefaults().attestation) {
  const clock = new VirtualClock(nowMs);
  const store = openSqliteStore(":memory:", { wall: () => clock.wall() });
  const keyset = await newKeyset();
  const secrets = await readHmacSecrets(new TextDecoder().decode(secret));
  const config = edgeDefaults({ public_host: "tunnel.example" });
  const verifier = new TokenVerifier({
    policy: "local",
    local: new LocalVerifier({ issuer, keyset, hmac: { issuers: ["nexus"], secrets: () => secrets } }),
    onVerified() {},
  });
  const gate = tokenGate(verifier, store, clock, {
    edgeAudience: controlDefaults.edgeAudience,
    issuer,
    publicDomain: "tunnel.example",
    tcpPorts: config.tcpPorts,
    udpPorts: config.udpPorts,
    tokens: config.tokens,
    attestation,
  });
  const foreign = async (claims: Record<string, unknown> = {}): Promise<Stage0Claims> =>
    await gate.verifyStage0(await signed("HS256", secret, { iss: "nexus", ...claims }));
  const issue = { nowMs, random: countingRandom(), ttlSeconds: 60 };
  return { clock, store, keyset, gate, foreign, issue };
}

/** A machine of this store. */
async function enrolled(store: Store): Promise<MachineEnrollment> {
  await store.putEnrollmentToken(machineTokenOf("t1", { createdAtMs: nowMs, expiresAtMs: nowMs + 1_000 }));
  const machine = enrollmentOf(1);
  await store.enrollMachine(machine);
  return machine;
}

Deno.test("tokenGate() gives another issuer's subject a tunnel and an owner of its own", async () => {
  const { gate, store, foreign, keyset, issue } = await setUp();
  await store.claimTunnel(claimOf({ tunnelId: "tun_1", name: "own" }));
  const theirs = await foreign();
  const ours = await gate.verifyStage0((await issueStage0(stage0Draft, keyset, issue)).token);
  assert.equal(ours.sub, "tun_1");
  assert.match(theirs.sub, /^x-.{12}:tun_1$/);
  assert.deepEqual([await gate.ownerOf(ours), await gate.ownerOf(theirs)], ["alice", theirs.sub]);
  assert.equal(await gate.checkTunnel(theirs.sub, theirs.iat, agent), undefined);
});

Deno.test("tokenGate() takes each id of another issuer once, and leaves those of control alone: token_replayed", async () => {
  const { gate, store, foreign, keyset, issue } = await setUp();
  await store.claimTunnel(claimOf({ tunnelId: "tun_1", name: "own" }));
  const ours = await gate.verifyStage0((await issueStage0(stage0Draft, keyset, issue)).token);
  const theirs = await foreign({ jti: ours.jti });
  await gate.spend(theirs);
  await gate.spend(ours);
  await refusedWith("token_replayed", gate.spend(theirs));
});

Deno.test("tokenGate() lets nobody have a route of somebody else: token_route_taken", async () => {
  const { gate, store, foreign } = await setUp();
  await store.claimTunnel(claimOf({ tunnelId: "tun_1", name: "demo" }));
  await refusedWith("token_route_taken", gate.spend(await foreign()));
  await refusedWith(
    "token_hostname_foreign",
    gate.spend(await foreign({ hostnames: ["demo.other.example"] })),
  );
  await refusedWith("token_port_foreign", gate.spend(await foreign({ hostnames: [], tcp_ports: [80] })));
  const shop = { hostnames: ["shop.tunnel.example"], tcp_ports: [20_000] };
  await gate.spend(await foreign({ ...shop, jti: "first-token" }));
  await gate.spend(await foreign({ ...shop, jti: "second-token" }));
  await refusedWith(
    "token_route_taken",
    gate.spend(await foreign({ ...shop, sub: "tun_2", jti: "third-token" })),
  );
  const claimed = await store.claimTunnel(claimOf({ tunnelId: "tun_3", name: "shop" }));
  assert.equal(claimed.outcome, "name_taken");
});

Deno.test("tokenGate() refuses a revoked subject of another issuer, as it does an owner: token_revoked", async () => {
  const { gate, store, foreign } = await setUp();
  const claims = await foreign({ hostnames: [] });
  await store.revoke({
    kind: "owner",
    id: claims.sub,
    owner: claims.sub,
    revokedAtMs: nowMs,
    forgetAtMs: nowMs + 60_000,
  });
  await refusedWith("token_revoked", gate.spend(claims));
  await refusedWith("token_revoked", gate.checkTunnel(claims.sub, claims.iat, agent));
  assert.equal(await gate.checkTunnel(claims.sub, claims.iat + 1, agent), undefined);
});

Deno.test("tokenGate() refuses a token of control that names another issuer's subject: token_claims_invalid", async () => {
  const { gate, keyset, issue, foreign } = await setUp();
  const { sub } = await foreign();
  const stage0 = await issueStage0({ ...stage0Draft, sub }, keyset, issue);
  await refusedWith("token_claims_invalid", gate.verifyStage0(stage0.token));
  const stage1 = await issueStage1({ ...stage1Draft, sub }, keyset, issue);
  await refusedWith("token_claims_invalid", gate.verifyStage1(stage1.token));
});

Deno.test("tokenGate() registers no agent of a tier that the tunnel, or the edge, does not take: tier_too_weak", async () => {
  const { gate, store, foreign } = await setUp();
  await store.claimTunnel(claimOf({ tunnelId: "tun_1", name: "own" }));
  const startedAt = nowMs / 1_000;
  assert.equal(await gate.checkTunnel("tun_1", startedAt, agent), undefined);
  await store.setTunnelTier("tun_1", "tpm");
  await refusedWith("tier_too_weak", gate.checkTunnel("tun_1", startedAt, agent));
  const { agentId } = await enrolled(store);
  assert.equal(await gate.checkTunnel("tun_1", startedAt, { agent_id: agentId, tier: "tpm" }), undefined);
  const strict = await setUp({ tiers: ["tpm"], requirePolicy: false });
  const theirs = await foreign();
  await refusedWith("tier_too_weak", strict.gate.checkTunnel(theirs.sub, theirs.iat, agent));
  assert.equal(await strict.gate.checkTunnel(theirs.sub, theirs.iat, { ...agent, tier: "tpm" }), undefined);
});

Deno.test("tokenGate() lets no session of a revoked machine in, also when it was deleted since: machine_revoked", async () => {
  const { gate, store } = await setUp();
  await store.claimTunnel(claimOf({ tunnelId: "tun_1", name: "own" }));
  const { agentId, ekSha256 } = await enrolled(store);
  const check = () => gate.checkTunnel("tun_1", nowMs / 1_000, { agent_id: agentId, tier: "tpm" });
  assert.equal(await check(), undefined);
  await store.revokeMachine({ agentId }, { atMs: nowMs, reason: "stolen" });
  await refusedWith("machine_revoked", check());
  await store.deleteMachine(agentId);
  await refusedWith("machine_revoked", check());
  await store.restoreMachine({ ekSha256 });
  await refusedWith("machine_revoked", check());
});

Deno.test("tokenGate() refuses a stage 1 token that is to be renewed and names no attestation: token_claims_invalid", async () => {
  const { gate } = await setUp();
  const stage1 = (claims: Record<string, unknown>) =>
    signed("HS256", secret, {
      ...stage1Draft,
      iss: "nexus",
      reauth_interval_seconds: undefined,
      iat: nowMs / 1_000,
      exp: nowMs / 1_000 + 30,
      jti: "jti-0123456789",
      tier: "bound-key",
      ...claims,
    }, { typ: "postern-stage1+jwt" });
  await refusedWith(
    "token_claims_invalid",
    gate.verifyStage1(await stage1({ reauth_interval_seconds: 300 })),
  );
  const renewed = await stage1({ reauth_interval_seconds: 300, attestation_id: "attestation-1" });
  assert.match((await gate.verifyStage1(renewed)).attestation_id!, /^x-.{12}:attestation-1$/);
  assert.equal((await gate.verifyStage1(await stage1({}))).attestation_id, undefined);
});
