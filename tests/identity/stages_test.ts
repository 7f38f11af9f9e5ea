import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import { matchStages, type StageRoutes } from "../../src/identity/mod.ts";
import { b64, nowSeconds, stage0Draft, stage1Draft } from "./support.ts";

const stage1 = { ...stage1Draft, iat: nowSeconds, exp: nowSeconds + 30, jti: "jti-0123456789" };
const channel = {
  sessionNonce: new Uint8Array(32).fill(1),
  handshakeHash: new Uint8Array(32).fill(2),
  agentStatic: new Uint8Array(32).fill(3),
};

function codeOfMatch(run: () => void): string {
  try {
    run();
    return "accepted";
  } catch (error) {
    return codeOf(error);
  }
}

Deno.test("matchStages() accepts equal routes on the channel that the token names", () => {
  assert.equal(codeOfMatch(() => matchStages(stage0Draft, stage1, channel)), "accepted");
});

Deno.test("matchStages() refuses the answer to another challenge: stage1_wrong_nonce", () => {
  const other = { ...channel, sessionNonce: new Uint8Array(32) };
  assert.equal(codeOfMatch(() => matchStages(stage0Draft, stage1, other)), "stage1_wrong_nonce");
  const none = { ...channel, sessionNonce: new Uint8Array(0) };
  assert.equal(codeOfMatch(() => matchStages(stage0Draft, stage1, none)), "stage1_wrong_nonce");
});

Deno.test("matchStages() refuses evidence of another channel or agent key: stage1_wrong_channel", () => {
  const otherHash = { ...channel, handshakeHash: new Uint8Array(32) };
  assert.equal(codeOfMatch(() => matchStages(stage0Draft, stage1, otherHash)), "stage1_wrong_channel");
  const otherKey = { ...stage1, agent_static: b64(9) };
  assert.equal(codeOfMatch(() => matchStages(stage0Draft, otherKey, channel)), "stage1_wrong_channel");
});

Deno.test("matchStages() refuses other routes than stage 0 named: stage1_wrong_routes", () => {
  const changes = [
    { iss: "https://else.example" },
    { sub: "tun_2" },
    { weight: 2 },
    { hostnames: [] },
    { hostnames: ["demo.tunnel.example", "more.tunnel.example"] },
    { tls_hostnames: ["demo.tunnel.example"] },
    { tcp_ports: [2222] },
    { udp_ports: [2222] },
  ];
  for (const change of changes) {
    const code = codeOfMatch(() => matchStages(stage0Draft, { ...stage1, ...change }, channel));
    assert.equal(code, "stage1_wrong_routes", JSON.stringify(change));
  }
});

Deno.test("matchStages() refuses an agent of a weaker tier than stage 0 demands: tier_too_weak", () => {
  const demanding = { ...stage0Draft, require_tier: "tpm" as const };
  const match = (stage0: StageRoutes, tier: "tpm" | "bound-key") =>
    codeOfMatch(() => matchStages(stage0, { ...stage1, tier }, channel));
  assert.equal(match(demanding, "bound-key"), "tier_too_weak");
  assert.equal(match(demanding, "tpm"), "accepted");
  assert.equal(match(stage0Draft, "bound-key"), "accepted");
  assert.equal(match({ ...stage0Draft, require_tier: "bound-key" }, "bound-key"), "accepted");
});
