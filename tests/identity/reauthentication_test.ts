import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import { assertTierHeld, matchReauth, type Stage1Claims } from "../../src/identity/mod.ts";
import { b64, nowSeconds, stage1Draft } from "./support.ts";

const session: Stage1Claims = {
  ...stage1Draft,
  iat: nowSeconds,
  exp: nowSeconds + 30,
  jti: "jti-0123456789",
  attestation_id: "attestation-1",
};
/** What control issues for the same channel five minutes later. */
const fresh = { ...session, jti: "jti-9876543210", session_nonce: b64(4), handshake_hash: b64(5) };
const channel = {
  sessionNonce: new Uint8Array(32).fill(4),
  handshakeHash: new Uint8Array(32).fill(5),
  agentStatic: new Uint8Array(32).fill(3),
};

const codeOfMatch = (change: Partial<Stage1Claims>, of = session): string => {
  try {
    matchReauth(of, { ...fresh, ...change }, channel);
    return "accepted";
  } catch (error) {
    return codeOf(error);
  }
};

Deno.test("matchReauth() accepts what renews the session; other times and another policy are no matter", () => {
  assert.equal(codeOfMatch({}), "accepted");
  assert.equal(codeOfMatch({ reauth_interval_seconds: 7, reauth_grace_seconds: 3 }), "accepted");
  assert.equal(
    codeOfMatch({ policy_version: "default@2", authorizer_status_uri: "https://s.example/" }),
    "accepted",
  );
});

Deno.test("matchReauth() refuses a token of the opening, of another round and of another channel", () => {
  assert.equal(codeOfMatch(session), "stage1_wrong_nonce");
  assert.equal(codeOfMatch({ session_nonce: b64(9) }), "stage1_wrong_nonce");
  assert.equal(codeOfMatch({ handshake_hash: session.handshake_hash }), "stage1_wrong_channel");
  assert.equal(codeOfMatch({ agent_static: b64(9) }), "stage1_wrong_channel");
});

Deno.test("matchReauth() refuses other routes, another agent and another attestation", () => {
  for (
    const change of [
      { sub: "tun_2" },
      { hostnames: ["more.tunnel.example"] },
      { tls_hostnames: ["demo.tunnel.example"] },
      { tcp_ports: [2222] },
      { udp_ports: [2222] },
      { weight: 2 },
    ]
  ) assert.equal(codeOfMatch(change), "stage1_wrong_routes", JSON.stringify(change));
  assert.equal(codeOfMatch({ agent_id: "agent-2" }), "reauth_wrong_agent");
  assert.equal(codeOfMatch({ attestation_id: "attestation-2" }), "reauth_wrong_agent");
});

Deno.test("matchReauth() refuses a weaker tier and takes a stronger one", () => {
  const tpm = { ...session, tier: "tpm" as const };
  const bound = { ...session, tier: "bound-key" as const };
  assert.equal(codeOfMatch({ tier: "bound-key" }, tpm), "reauth_weaker_tier");
  assert.equal(codeOfMatch({ tier: "tpm" }, bound), "accepted");
  assert.equal(codeOfMatch({ tier: "tpm" }, tpm), "accepted");
  assert.doesNotThrow(() => assertTierHeld("bound-key", "bound-key"));
});
