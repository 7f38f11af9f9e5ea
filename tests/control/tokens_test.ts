import assert from "node:assert/strict";
import { compactVerify, createLocalJWKSet } from "jose";
import { issueManagementToken } from "../../src/control/mod.ts";
import { verifyManagement } from "../../src/identity/mod.ts";
import { assertProblem, issuer, openControl } from "./support.ts";

const dayMs = 86_400_000;

Deno.test("POST /auth/token gives the same owner and role another day; the old token stays valid", async () => {
  await using control = await openControl();
  const old = await control.tokenOf("alice", "operator");
  control.clock.advance(dayMs / 2);
  const bare = new Request(`${issuer}/auth/token`, {
    method: "POST",
    headers: { Authorization: `Bearer ${old}` },
  });
  const { status, json } = await control.send(bare);
  assert.equal(status, 200, JSON.stringify(json));
  assert.equal(json.token_type, "Bearer");
  assert.equal(json.expires_in, 86_400);
  assert.equal(json.expires_at, "2026-01-02T12:00:00.000Z");
  const expect = { audience: "postern-control", issuer, nowMs: control.clock.wall() };
  const claims = await verifyManagement(json.management_token, control.keyset, expect);
  assert.deepEqual([claims.sub, claims.role], ["alice", "operator"]);
  assert.equal((await control.get("/tunnels/list", old)).status, 200);
  assert.equal((await control.post("/auth/token", { management_token: old })).status, 200);
});

Deno.test("POST /auth/token refuses expired, missing and other tokens", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const token = await control.tokenOf("alice");
  const { recreate_token } = (await control.post("/tunnels/create", {})).json;
  assertProblem(await control.post("/auth/token", {}), 401, "authorization_required");
  assertProblem(await control.post("/auth/token", {}, recreate_token), 401, "token_wrong_type");
  control.clock.advance(dayMs + 30_000);
  assertProblem(await control.post("/auth/token", {}, token), 401, "token_expired");
});

Deno.test("POST /auth/token with revoke_current ends the old token everywhere: token_revoked", async () => {
  await using control = await openControl();
  const old = await control.tokenOf("alice");
  const fresh = (await control.post("/auth/token", { revoke_current: true }, old)).json.management_token;
  assertProblem(await control.get("/tunnels/list", old), 401, "token_revoked");
  assertProblem(await control.post("/auth/token", {}, old), 401, "token_revoked");
  assertProblem(await control.post("/tunnels/create", {}, old), 401, "token_revoked");
  assert.equal((await control.get("/tunnels/list", fresh)).status, 200);
});

Deno.test("POST /auth/token goes on until the family ends, and then says token_family_ended", async () => {
  await using control = await openControl();
  const first = (await issueManagementToken(control.deps, "alice")).token;
  let token = first;
  for (let day = 1; day <= 29; day++) {
    control.clock.advance(dayMs - 3_000);
    const { status, json } = await control.post("/auth/token", {}, token);
    assert.equal(status, 200, `day ${day}: ${JSON.stringify(json)}`);
    assert.equal(json.owner, "alice");
    assert.equal(json.role, "member");
    assert.equal(json.family_ends_at, "2026-01-31T00:00:00.000Z");
    token = json.management_token;
  }
  control.clock.advance(dayMs - 3_000);
  const { json } = await control.post("/auth/token", {}, token);
  assert.equal(json.expires_at, json.family_ends_at);
  assert.equal(json.expires_in, 90);
  control.clock.advance(31_000);
  assertProblem(await control.post("/auth/token", {}, json.management_token), 403, "token_family_ended");
});

Deno.test("POST /auth/token/issue gives an operator tokens for others, and nobody else: role_insufficient", async () => {
  await using control = await openControl();
  const root = await control.tokenOf("root", "operator");
  const { status, json } = await control.post(
    "/auth/token/issue",
    { owner: "alice", ttl_seconds: 3_600 },
    root,
  );
  assert.equal(status, 200, JSON.stringify(json));
  assert.deepEqual([json.owner, json.role, json.expires_in], ["alice", "member", 3_600]);
  assert.equal(json.family_ends_at, json.expires_at);
  const issue = (body: unknown, token?: string) => control.post("/auth/token/issue", body, token);
  assertProblem(await issue({ owner: "bob" }, json.management_token), 403, "role_insufficient");
  assertProblem(await issue({ owner: "bob" }), 401, "authorization_required");
  assertProblem(await issue({ owner: "anonymous:tun_1" }, root), 400, "request_invalid");
  assertProblem(await issue({ owner: "a b" }, root), 400, "request_invalid");
  assertProblem(await issue({ owner: "bob", ttl_seconds: 31 * 86_400 }, root), 400, "request_invalid");
  const operator = (await issue({ owner: "carol", role: "operator" }, root)).json;
  assert.equal((await control.post("/auth/token", {}, operator.management_token)).json.role, "operator");
  const entry = (await control.store.auditEntries(1))[0];
  assert.deepEqual([entry.actor, entry.action, entry.subject], ["root", "token.issue", "carol"]);
});

Deno.test("POST /auth/token/revoke ends what an owner has: tokens, recreate tokens, channels; not what comes after", async () => {
  await using control = await openControl();
  const root = await control.tokenOf("root", "operator");
  const token = await control.tokenOf("alice");
  const created = (await control.post("/tunnels/create", { requested_name: "demo" }, token)).json;
  control.clock.advance(1_000);
  const { status, json } = await control.post("/auth/token/revoke", { owner: "alice" }, root);
  assert.deepEqual([status, json], [200, { revoked: true, tunnels: 1, known: true }]);
  const nobody = await control.post("/auth/token/revoke", { owner: "nobody" }, root);
  assert.deepEqual(nobody.json, { revoked: true, tunnels: 0, known: false });
  assert.deepEqual(control.deleted, [`${created.tunnel_id} alice revoked`]);
  assertProblem(await control.get("/tunnels/list", token), 401, "token_revoked");
  assertProblem(await control.post("/auth/token", {}, token), 401, "token_revoked");
  const { recreate_token } = created;
  assertProblem(await control.post("/tunnels/create", { recreate_token }), 401, "token_revoked");
  control.clock.advance(1);
  assert.equal((await control.get("/tunnels/list", await control.tokenOf("alice"))).status, 200);
  assert.equal((await control.get("/tunnels/list", root)).status, 200);
});

Deno.test("POST /auth/token/revoke ends a family: every token of it, and no other", async () => {
  await using control = await openControl();
  const root = await control.tokenOf("root", "operator");
  const { claims: { family }, token } = await issueManagementToken(control.deps, "alice");
  const fresh = (await control.post("/auth/token", {}, token)).json.management_token;
  const other = await control.tokenOf("alice");
  const { recreate_token } = (await control.post("/tunnels/create", {}, fresh)).json;
  const revoked = await control.post("/auth/token/revoke", { family }, root);
  assert.deepEqual([revoked.status, revoked.json.known], [200, true]);
  const nobody = await control.post("/auth/token/revoke", { family: "no-such-family" }, root);
  assert.equal(nobody.json.known, false);
  for (const ended of [token, fresh]) {
    assertProblem(await control.get("/tunnels/list", ended), 401, "token_revoked");
  }
  assertProblem(await control.post("/tunnels/create", { recreate_token }), 401, "token_revoked");
  assert.equal((await control.get("/tunnels/list", other)).status, 200);
});

Deno.test("POST /auth/token/revoke lets members revoke their own only: role_insufficient", async () => {
  await using control = await openControl();
  const alice = await control.tokenOf("alice");
  const bob = await issueManagementToken(control.deps, "bob");
  const revoke = (body: unknown) => control.post("/auth/token/revoke", body, alice);
  assertProblem(await revoke({ owner: "bob" }), 403, "role_insufficient");
  assertProblem(await revoke({ family: bob.claims.family }), 403, "role_insufficient");
  assertProblem(await revoke({}), 400, "request_invalid");
  assertProblem(await revoke({ owner: "alice", family: bob.claims.family }), 400, "request_invalid");
  assert.equal((await revoke({ owner: "alice" })).status, 200);
  assertProblem(await revoke({ owner: "alice" }), 401, "token_revoked");
  assert.equal((await control.get("/tunnels/list", bob.token)).status, 200);
});

Deno.test("revoke_current that cannot be remembered is refused with revocations_full, and revokes nothing", async () => {
  await using control = await openControl({ store: { maxRevokedTokensPerOwner: 1 } });
  const first = await control.tokenOf("alice");
  const second = (await control.post("/auth/token", { revoke_current: true }, first)).json.management_token;
  assertProblem(await control.post("/auth/token", { revoke_current: true }, second), 503, "revocations_full");
  assert.equal((await control.get("/tunnels/list", second)).status, 200);
  const bob = await control.tokenOf("bob");
  assert.equal((await control.post("/auth/token", { revoke_current: true }, bob)).status, 200);
  control.clock.advance(dayMs + 30_000);
  const third = await control.tokenOf("alice");
  assert.equal((await control.post("/auth/token", { revoke_current: true }, third)).status, 200);
});

Deno.test("issueManagementToken() makes no account of an anonymous owner", async () => {
  await using control = await openControl();
  await assert.rejects(issueManagementToken(control.deps, "anonymous:tun_1"), { code: "request_invalid" });
});

Deno.test("GET /.well-known/jwks.json verifies tokens elsewhere and may be cached", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const { ephemeral_token } = (await control.post("/tunnels/create", {})).json;
  const { status, headers, json } = await control.get("/.well-known/jwks.json");
  assert.equal(status, 200);
  assert.equal(headers.get("Cache-Control"), "public, max-age=300");
  const { payload } = await compactVerify(ephemeral_token, createLocalJWKSet(json), {
    algorithms: ["EdDSA"],
  });
  assert.equal(JSON.parse(new TextDecoder().decode(payload)).iss, issuer);
});
