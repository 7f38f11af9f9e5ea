import assert from "node:assert/strict";
import { issueManagementToken } from "../../src/control/mod.ts";
import { importJwks, verifyManagement, verifyStage0 } from "../../src/identity/mod.ts";
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

Deno.test("issueManagementToken() makes no account of an anonymous owner", async () => {
  await using control = await openControl();
  assert.throws(() => issueManagementToken(control.deps, "anonymous:tun_1"), RangeError);
});

Deno.test("GET /.well-known/jwks.json verifies tokens elsewhere and may be cached", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const { ephemeral_token } = (await control.post("/tunnels/create", {})).json;
  const { status, headers, json } = await control.get("/.well-known/jwks.json");
  assert.equal(status, 200);
  assert.equal(headers.get("Cache-Control"), "public, max-age=300");
  const keys = await importJwks(json);
  await verifyStage0(ephemeral_token, keys, {
    audience: "postern-edge",
    issuer,
    nowMs: control.clock.wall(),
  });
});
