import assert from "node:assert/strict";
import fc from "fast-check";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import {
  type AttachClaims,
  claimedKind,
  clockSkewSeconds,
  issueAttach,
  issueManagement,
  issueRecreate,
  issueStage0,
  issueStage1,
  maxTokenChars,
  verifyAttach,
  verifyManagement,
  verifyRecreate,
  verifyStage0,
  verifyStage1,
} from "../../src/identity/mod.ts";
import {
  atControl,
  atEdge,
  countingRandom,
  issuer,
  managementDraft,
  newKeyset,
  nowMs,
  nowSeconds,
  recreateDraft,
  refusedWith,
  signRaw,
  stage0Draft,
  stage1Draft,
} from "./support.ts";

const attachDraft = {
  iss: issuer,
  aud: ["postern-edge"],
  channel_id: "c".repeat(32),
  role: "client" as const,
  init_exp: nowSeconds + 120,
  idle_timeout: 60,
  tenant: "alice",
};
const issue = { nowMs, random: countingRandom(), ttlSeconds: 60 };
const typ = "postern-stage0+jwt";
const claims = { ...stage0Draft, iat: nowSeconds, exp: nowSeconds + 60, jti: "jti-0123456789" };

Deno.test("issueStage0() and verifyStage0() round-trip the claims with a 60 s life and a fresh jti", async () => {
  const keyset = await newKeyset();
  const first = await issueStage0(stage0Draft, keyset, issue);
  const second = await issueStage0(stage0Draft, keyset, issue);
  assert.notEqual(first.jti, second.jti);
  const verified = await verifyStage0(first.token, keyset, atEdge);
  assert.deepEqual(verified, { ...stage0Draft, iat: nowSeconds, exp: nowSeconds + 60, jti: first.jti });
  assert.equal(first.expiresAtMs, nowMs + 60_000);
});

Deno.test("every kind of token is accepted by its own verifier only: token_wrong_type", async () => {
  const keyset = await newKeyset();
  const tokens = {
    stage0: (await issueStage0(stage0Draft, keyset, issue)).token,
    stage1: (await issueStage1(stage1Draft, keyset, issue)).token,
    recreate: (await issueRecreate(recreateDraft, keyset, issue)).token,
    management: (await issueManagement(managementDraft, keyset, issue)).token,
    attach: (await issueAttach(attachDraft, keyset, issue)).token,
  };
  const verifiers = {
    stage0: (token: string) => verifyStage0(token, keyset, atEdge),
    stage1: (token: string) => verifyStage1(token, keyset, atEdge),
    recreate: (token: string) => verifyRecreate(token, keyset, atControl),
    management: (token: string) => verifyManagement(token, keyset, atControl),
    attach: (token: string) => verifyAttach(token, keyset, atEdge),
  };
  for (const [kind, token] of Object.entries(tokens)) {
    assert.equal(claimedKind(token), kind);
    for (const [verifier, verify] of Object.entries(verifiers)) {
      if (verifier === kind) await verify(token);
      else await refusedWith("token_wrong_type", verify(token));
    }
  }
});

Deno.test("verifyStage0() refuses text that is no JWT: token_malformed", async () => {
  const keyset = await newKeyset();
  const good = (await issueStage0(stage0Draft, keyset, issue)).token;
  const [head, body, signature] = good.split(".");
  for (
    const token of [
      "",
      "abc",
      "a.b.c",
      `${head}.${body}`,
      `${head}.${body}.${signature}.x`,
      `${head}.${body}.!!`,
      `"${good}"`,
    ]
  ) {
    await refusedWith("token_malformed", verifyStage0(token, keyset, atEdge));
  }
  await refusedWith(
    "token_malformed",
    verifyStage0(await signRaw(keyset, { typ }, "not json"), keyset, atEdge),
  );
});

Deno.test("verifyStage0() refuses a token above the limit before it is parsed: token_too_large", async () => {
  const keyset = await newKeyset();
  await refusedWith("token_too_large", verifyStage0("a".repeat(maxTokenChars + 1), keyset, atEdge));
  await refusedWith("token_malformed", verifyStage0("a".repeat(maxTokenChars), keyset, atEdge));
});

Deno.test("verifyStage0() accepts no algorithm but EdDSA: token_wrong_algorithm", async () => {
  const keyset = await newKeyset();
  const { kid } = keyset.signingKey();
  for (const alg of ["none", "HS256", "RS256", "ES256", "Ed25519", "eddsa", undefined]) {
    const header = toBase64Url(utf8(JSON.stringify({ alg, typ, kid })));
    const token = `${header}.${toBase64Url(utf8(JSON.stringify(claims)))}.${toBase64Url(new Uint8Array(64))}`;
    await refusedWith("token_wrong_algorithm", verifyStage0(token, keyset, atEdge));
  }
});

Deno.test("verifyStage0() refuses a foreign key id and a foreign key under a known id", async () => {
  const [keyset, other] = [await newKeyset(1), await newKeyset(2)];
  const foreign = (await issueStage0(stage0Draft, other, issue)).token;
  await refusedWith("token_unknown_key", verifyStage0(foreign, keyset, atEdge));
  const forged = await signRaw(other, { typ, kid: keyset.signingKey().kid }, claims);
  await refusedWith("token_bad_signature", verifyStage0(forged, keyset, atEdge));
  await refusedWith(
    "token_unknown_key",
    verifyStage0(await signRaw(keyset, { typ, kid: 7 }, claims), keyset, atEdge),
  );
});

Deno.test("verifyStage0() refuses an altered payload: token_bad_signature", async () => {
  const keyset = await newKeyset();
  const [head, , signature] = (await issueStage0(stage0Draft, keyset, issue)).token.split(".");
  const altered = toBase64Url(utf8(JSON.stringify({ ...claims, sub: "tun_2" })));
  await refusedWith("token_bad_signature", verifyStage0(`${head}.${altered}.${signature}`, keyset, atEdge));
});

Deno.test("verifyStage0() refuses critical header extensions that it does not know: token_malformed", async () => {
  const keyset = await newKeyset();
  const { kid } = keyset.signingKey();
  const header = toBase64Url(utf8(JSON.stringify({ alg: "EdDSA", typ, kid, crit: ["x"], x: 1 })));
  const token = `${header}.${toBase64Url(utf8("{}"))}.${toBase64Url(new Uint8Array(64))}`;
  await refusedWith("token_malformed", verifyStage0(token, keyset, atEdge));
});

Deno.test("verifyStage0() checks every claim's form after the signature: token_claims_invalid", async () => {
  const keyset = await newKeyset();
  const changes: Record<string, unknown>[] = [
    { iss: undefined },
    { aud: [] },
    { sub: "" },
    { sub: "a b" },
    { jti: "short" },
    { exp: "soon" },
    { exp: nowSeconds + 0.5 },
    { exp: nowSeconds },
    { exp: nowSeconds + 601 },
    { hostnames: ["UPPER.example"] },
    { hostnames: "demo" },
    { hostnames: Array.from({ length: 65 }, (_, i) => `h${i}.example`) },
    { tcp_ports: [0] },
    { tcp_ports: [65_536] },
    { weight: 0 },
    { transports: ["smoke"] },
    { protocol: "sctp" },
    { handshake_max_age_seconds: 0 },
  ];
  for (const change of changes) {
    const token = await signRaw(keyset, { typ }, { ...claims, ...change });
    await refusedWith("token_claims_invalid", verifyStage0(token, keyset, atEdge));
  }
  await refusedWith("token_claims_invalid", verifyStage0(await signRaw(keyset, { typ }, []), keyset, atEdge));
});

Deno.test("verifyStage1() demands 32-byte bindings and an https status URI: token_claims_invalid", async () => {
  const keyset = await newKeyset();
  const whole = { ...stage1Draft, iat: nowSeconds, exp: nowSeconds + 30, jti: "jti-0123456789" };
  const changes: Record<string, unknown>[] = [
    { session_nonce: "" },
    { session_nonce: "A".repeat(42) },
    { handshake_hash: "_".repeat(43) },
    { agent_static: undefined },
    { authorizer_status_uri: "http://status.example/" },
    { authorizer_status_uri: "status" },
    { reauth_interval_seconds: 0 },
    { tier: "Gold Tier" },
  ];
  for (const change of changes) {
    const token = await signRaw(keyset, { typ: "postern-stage1+jwt" }, { ...whole, ...change });
    await refusedWith("token_claims_invalid", verifyStage1(token, keyset, atEdge));
  }
});

Deno.test("verifyStage1() fills the documented defaults and drops unknown claims", async () => {
  const keyset = await newKeyset();
  const { weight: _w, reauth_grace_seconds: _r, maintenance_grace_cap_seconds: _m, ...bare } = stage1Draft;
  const payload = { ...bare, iat: nowSeconds, exp: nowSeconds + 30, jti: "jti-0123456789", future_claim: 1 };
  const token = await signRaw(keyset, { typ: "postern-stage1+jwt" }, payload);
  const verified = await verifyStage1(token, keyset, atEdge);
  assert.equal(verified.weight, 1);
  assert.equal(verified.reauth_grace_seconds, 10);
  assert.equal(verified.maintenance_grace_cap_seconds, 1_800);
  assert.equal("future_claim" in verified, false);
});

Deno.test("verifyStage0() refuses another issuer and another audience", async () => {
  const keyset = await newKeyset();
  const { token } = await issueStage0({ ...stage0Draft, aud: ["postern-edge", "edge-7"] }, keyset, issue);
  await refusedWith(
    "token_wrong_issuer",
    verifyStage0(token, keyset, { ...atEdge, issuer: "https://else.example" }),
  );
  await refusedWith(
    "token_wrong_audience",
    verifyStage0(token, keyset, { ...atEdge, audience: "postern-control" }),
  );
  await verifyStage0(token, keyset, { ...atEdge, audience: ["edge-6", "edge-7"] });
});

Deno.test("verifyStage0() holds expiry, start and issue time against the clock with 30 s of skew", async () => {
  const keyset = await newKeyset();
  const { token } = await issueStage0(stage0Draft, keyset, issue);
  const at = (seconds: number) => ({ ...atEdge, nowMs: nowMs + seconds * 1_000 });
  await verifyStage0(token, keyset, at(60 + clockSkewSeconds - 1));
  await refusedWith("token_expired", verifyStage0(token, keyset, at(60 + clockSkewSeconds)));
  await verifyStage0(token, keyset, at(-clockSkewSeconds));
  await refusedWith("token_not_yet_valid", verifyStage0(token, keyset, at(-clockSkewSeconds - 1)));
  const later = await signRaw(keyset, { typ }, { ...claims, nbf: nowSeconds + clockSkewSeconds + 1 });
  await refusedWith("token_not_yet_valid", verifyStage0(later, keyset, atEdge));
});

Deno.test("issueAttach() signs no token that outlives its window, or of a channel id or role out of form: token_claims_invalid", async () => {
  const keyset = await newKeyset();
  const changes: Partial<Record<keyof AttachClaims, unknown>>[] = [
    { init_exp: nowSeconds + 59 },
    { channel_id: "short" },
    { role: "relay" },
    { idle_timeout: 0 },
    { tenant: "two words" },
  ];
  for (const change of changes) {
    const draft = { ...attachDraft, ...change } as typeof attachDraft;
    await refusedWith("token_claims_invalid", issueAttach(draft, keyset, issue));
  }
});

Deno.test("issueStage0() refuses to sign claims that no verifier would accept: token_claims_invalid", async () => {
  const keyset = await newKeyset();
  await refusedWith("token_claims_invalid", issueStage0({ ...stage0Draft, tcp_ports: [0] }, keyset, issue));
  await refusedWith("token_claims_invalid", issueStage0(stage0Draft, keyset, { ...issue, ttlSeconds: 601 }));
});

Deno.test("verify functions answer any text with a PosternError", async () => {
  const keyset = await newKeyset();
  const { token } = await issueStage0(stage0Draft, keyset, issue);
  const header = fc.record({
    alg: fc.oneof(fc.constantFrom("EdDSA", "none"), fc.anything()),
    typ: fc.oneof(fc.constant(typ), fc.anything()),
    kid: fc.oneof(fc.constant(keyset.signingKey().kid), fc.anything()),
  }, { requiredKeys: [] });
  const part = fc.oneof(
    fc.string(),
    fc.base64String(),
    header.map((value) => toBase64Url(utf8(JSON.stringify(value) ?? ""))),
    fc.jsonValue().map((value) => toBase64Url(utf8(JSON.stringify(value)))),
  );
  const spoiled = fc.tuple(fc.nat(token.length - 1), fc.string({ maxLength: 3 })).map(([at, text]) =>
    token.slice(0, at) + text + token.slice(at + 1)
  ).filter((text) => text !== token);
  const anyToken = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 5 }).map((parts) => parts.join(".")),
    spoiled,
  );
  await fc.assert(
    fc.asyncProperty(anyToken, async (text) => {
      for (const verify of [verifyStage0, verifyStage1, verifyRecreate, verifyManagement]) {
        await assert.rejects(verify(text, keyset, atEdge), PosternError);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("verifyStage0() answers any signed payload with claims or a PosternError", async () => {
  const keyset = await newKeyset();
  const payload = fc.oneof(
    fc.jsonValue(),
    fc.tuple(fc.constantFrom(...Object.keys(claims)), fc.jsonValue()).map(([key, value]) => ({
      ...claims,
      [key]: value,
    })),
  );
  await fc.assert(
    fc.asyncProperty(payload, async (value) => {
      const token = await signRaw(keyset, { typ }, JSON.stringify(value));
      await verifyStage0(token, keyset, atEdge).then(
        (verified) => assert.equal(verified.iss, issuer),
        (error) => assert.ok(error instanceof PosternError, String(error)),
      );
    }),
    { numRuns: 300 },
  );
});
