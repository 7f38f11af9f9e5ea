/** Fixed time, counted randomness and valid claims for the identity tests. */
import assert from "node:assert/strict";
import { CompactSign } from "jose";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { Keyset } from "../../src/identity/mod.ts";
import type { Random } from "../../src/ports/mod.ts";

/** 2026-01-01T00:00:00Z */
export const nowMs = 1_767_225_600_000;
export const nowSeconds = nowMs / 1_000;
export const issuer = "https://control.example";

/** Different bytes at every call, the same in every run. */
export function countingRandom(seed = 1): Random {
  let call = seed * 1_000;
  return (bytes) => {
    call++;
    return Uint8Array.from({ length: bytes }, (_, i) => (call * 31 + i * 7 + (call >> 8)) & 0xff);
  };
}

export const b64 = (fill: number) => toBase64Url(new Uint8Array(32).fill(fill));

export function newKeyset(seed = 1): Promise<Keyset> {
  return Keyset.create(nowMs, countingRandom(seed));
}

export const stage0Draft = {
  iss: issuer,
  aud: ["postern-edge"],
  sub: "tun_1",
  hostnames: ["demo.tunnel.example"],
  tls_hostnames: [],
  tcp_ports: [],
  udp_ports: [],
  weight: 1,
  transports: ["wss" as const],
  handshake_max_age_seconds: 60,
  protocol: "http" as const,
};

export const stage1Draft = {
  iss: issuer,
  aud: ["postern-edge"],
  sub: "tun_1",
  hostnames: ["demo.tunnel.example"],
  tls_hostnames: [],
  tcp_ports: [],
  udp_ports: [],
  weight: 1,
  agent_id: "agent-abc",
  session_nonce: b64(1),
  handshake_hash: b64(2),
  agent_static: b64(3),
  reauth_interval_seconds: 300,
  reauth_grace_seconds: 10,
  maintenance_grace_cap_seconds: 1_800,
  policy_version: "default@1",
  issued_at_quote: nowSeconds,
  tier: "bound-key" as const,
};

export const recreateDraft = {
  iss: issuer,
  aud: "postern-control",
  sub: "tun_1",
  name: "demo",
  owner: "alice",
};
export const managementDraft = {
  iss: issuer,
  aud: "postern-control",
  sub: "alice",
  role: "member" as const,
  family: "family-1",
  family_start: nowMs / 1_000,
  family_end: nowMs / 1_000 + 86_400,
};

export const atEdge = { audience: "postern-edge", issuer, nowMs };
export const atControl = { audience: "postern-control", issuer, nowMs };

/** Signs any header and payload with the set's current key, as a faulty or hostile issuer could. */
export function signRaw(keyset: Keyset, header: Record<string, unknown>, payload: unknown): Promise<string> {
  const { kid, privateKey } = keyset.signingKey();
  const bytes = utf8(typeof payload === "string" ? payload : JSON.stringify(payload));
  return new CompactSign(bytes).setProtectedHeader({ alg: "EdDSA", kid, ...header }).sign(privateKey);
}

/** Whether a promise was refused with this code. */
export async function refusedWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof PosternError, `not a PosternError: ${error}`);
    assert.equal(error.code, code);
    return true;
  });
}
