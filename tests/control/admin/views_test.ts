import assert from "node:assert/strict";
import { ADMIN_ROUTES } from "../../../src/control/admin/mod.ts";
import type { LiveChannel } from "../../../src/control/mod.ts";
import { assertProblem, type Control, openControl } from "../support.ts";
import { firstOwner, makeAdmin, password, signIn } from "./support.ts";

const channel = (change: Partial<LiveChannel> = {}): LiveChannel => ({
  sessionId: "s1",
  edgeId: "edge-1",
  tunnelId: "tun_1",
  agentId: "agent-a",
  tier: "bound-key",
  state: "established",
  isOnline: true,
  rttMs: 1.5,
  sinceMs: 1_000,
  reauthDeadlineMs: 2_000,
  streams: 1,
  requests: 2,
  bytesIn: 3,
  bytesOut: 4,
  remote: "192.0.2.7:4711",
  ...change,
});

async function publish(control: Control, name: string, owner: string): Promise<string> {
  const created = await control.post(
    "/tunnels/create",
    { requested_name: name },
    await control.tokenOf(owner),
  );
  assert.equal(created.status, 200, JSON.stringify(created.json));
  return created.json.tunnel_id;
}

Deno.test("connectors and tunnelers are ONLINE for 30 seconds after they were heard", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  const seen = (role: "connector" | "tunneler", id: string, ago: number) =>
    control.store.seeNode({
      role,
      id,
      version: ago > 0 ? "1.0.0" : "1.1.0",
      lastSeenMs: control.clock.wall() - ago,
      ...(role === "connector" ? { privateIp: "10.0.0.4" } : { connectorId: "c1" }),
    });
  await seen("connector", "c1", 0);
  await seen("connector", "c2", 29_999);
  await seen("connector", "c3", 30_000);
  await seen("tunneler", "t1", 0);
  const { connectors, next } = (await owner.get("/api/admin/connectors?limit=2")).json;
  assert.deepEqual(connectors[0], {
    id: "c1",
    private_ip: "10.0.0.4",
    version: "1.1.0",
    status: "ONLINE",
    last_seen: new Date(control.clock.wall()).toISOString(),
    first_seen: new Date(control.clock.wall()).toISOString(),
  });
  assert.equal(connectors[1].status, "ONLINE");
  assert.equal(next, "c2");
  const rest = (await owner.get("/api/admin/connectors?limit=2&after=c2")).json;
  assert.deepEqual(rest.connectors.map((node: { status: string }) => node.status), ["OFFLINE"]);
  assert.equal(rest.next, undefined);
  const { tunnelers } = (await owner.get("/api/admin/tunnelers")).json;
  assert.deepEqual([tunnelers[0].id, tunnelers[0].connector_id], ["t1", "c1"]);
  const overview = (await owner.get("/api/admin/overview")).json;
  assert.deepEqual(overview.connectors, { total: 3, online: 2, offline: 1 });
  assert.deepEqual(overview.tunnelers, { total: 1, online: 1, offline: 0 });
  assert.ok(overview.activity.length > 0);
  const versions = (await owner.get("/api/admin/versions")).json;
  assert.equal(versions.edge, "1.2.3");
  assert.deepEqual(versions.nodes, [
    { role: "connector", version: "1.0.0", nodes: 2, online: 1 },
    { role: "connector", version: "1.1.0", nodes: 1, online: 1 },
    { role: "tunneler", version: "1.1.0", nodes: 1, online: 1 },
  ]);
});

Deno.test("services of all owners are told with their presence, and live channels with their deadlines", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  const shop = await publish(control, "shop", "alice");
  await publish(control, "web", "bob");
  control.presences.set(shop, { status: "online", agents: 2, tiers: ["bound-key"] });
  const first = (await owner.get("/api/admin/services?limit=1")).json;
  const second = (await owner.get(`/api/admin/services?limit=1&after=${first.next}`)).json;
  assert.equal(second.next, undefined);
  const services = [...first.services, ...second.services];
  const told = services.find((service) => service.name === "shop");
  assert.equal(told.owner, "alice");
  assert.equal(told.status, "ONLINE");
  assert.equal(told.agents, 2);
  assert.equal(services.find((service) => service.name === "web").status, "OFFLINE");
  control.channels.push(channel({ sessionId: "s2", tunnelId: shop }), channel());
  const { sessions } = (await owner.get("/api/admin/sessions")).json;
  assert.deepEqual(sessions.map((one: { session_id: string }) => one.session_id), ["s1", "s2"]);
  assert.equal(sessions[0].rtt_ms, 1.5);
  assert.equal(sessions[0].reauth_deadline, "1970-01-01T00:00:02.000Z");
  const ofShop = (await owner.get(`/api/admin/sessions?tunnel_id=${shop}`)).json;
  assert.deepEqual(ofShop.sessions.map((one: { session_id: string }) => one.session_id), ["s2"]);
  assert.equal((await owner.get("/api/admin/sessions?limit=1&after=s1")).json.sessions[0].session_id, "s2");
});

Deno.test("machines, policies with their differences, revocations and audit are told", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  const operator = await control.tokenOf("op", "operator");
  const policy = (version: number, pcr: string) => ({
    policy: { name: "racks", version, bank: "sha256", pcrs: { "7": [pcr.repeat(64)] }, labels: ["prod"] },
  });
  for (const [version, pcr] of [[1, "a"], [2, "b"]] as const) {
    const applied = await control.post("/v1/policies", policy(version, pcr), operator);
    assert.equal(applied.status, 200, JSON.stringify(applied.json));
  }
  assert.deepEqual((await owner.get("/api/admin/machines")).json, { machines: [] });
  assert.equal((await owner.get("/api/admin/policies")).json.policies[0].name, "racks");
  const diff = (await owner.get("/api/admin/policies/racks/diff")).json;
  assert.deepEqual([diff.from, diff.to], [1, 2]);
  assert.deepEqual(diff.changes, [{ what: "PCR 7", removed: ["a".repeat(64)], added: ["b".repeat(64)] }]);
  const first = (await owner.get("/api/admin/policies/racks/diff?to=1")).json;
  assert.equal(first.from, undefined);
  assertProblem(await owner.get("/api/admin/policies/racks/diff?to=9"), 404, "policy_not_found");
  assertProblem(await owner.get("/api/admin/policies/none/diff"), 404, "policy_not_found");

  for (const name of ["alice", "bob"]) {
    assert.equal((await control.post("/auth/token/revoke", { owner: name }, operator)).status, 200);
  }
  const page = (await owner.get("/api/admin/revocations?limit=1")).json;
  assert.deepEqual([page.revocations[0].id, page.next], ["alice", "owner:alice"]);
  const rest = (await owner.get("/api/admin/revocations?after=owner:alice")).json;
  assert.deepEqual(rest.revocations.map((one: { id: string }) => one.id), ["bob"]);
  assertProblem(await owner.get("/api/admin/revocations?after=x"), 400, "request_invalid");

  const newest = (await owner.get("/api/admin/audit?limit=1")).json;
  assert.equal(newest.entries[0].action, "token.revoke");
  assert.equal(newest.entries[0].id, newest.next);
  const before = (await owner.get(`/api/admin/audit?limit=1&before=${newest.next}`)).json;
  assert.equal(before.entries[0].id, newest.next - 1);
});

Deno.test("drain ends the channels of an agent or a service in order, and is written down", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  assert.equal((await owner.post("/api/admin/drain", { agent_id: "agent-a" })).json.channels, 1);
  await owner.post("/api/admin/drain", { tunnel_id: "tun_1", deadline_seconds: 5 });
  assert.deepEqual(control.drained, ["agent-a 30000", "tun_1 5000"]);
  assertProblem(await owner.post("/api/admin/drain", {}), 400, "request_invalid");
  const [line] = await control.store.auditEntries(1);
  assert.deepEqual([line.actor, line.action, line.subject], ["admin:ann", "admin.drain", "tun_1"]);
});

Deno.test("drain and resume of an edge say which edge did, which did not answer, and which there is not: edge_unknown", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  control.silent.push("edge-7");
  const drained = (await owner.post("/api/admin/drain", { edge_id: "edge-1" })).json;
  assert.deepEqual(drained, {
    channels: 1,
    edges: [{ edge_id: "edge-1", channels: 1 }],
    silent_edges: ["edge-7"],
  });
  assert.deepEqual((await control.store.auditEntries(1))[0].detail, {
    channels: 1,
    edges: "edge-1",
    silent_edges: "edge-7",
  });
  assert.equal((await owner.post("/api/admin/resume", { edge_id: "edge-1" })).json.edge_id, "edge-1");
  assert.equal((await control.store.auditEntries(1))[0].action, "admin.resume");
  assertProblem(await owner.post("/api/admin/resume", { edge_id: "edge-9" }), 404, "edge_unknown");
  const two = { agent_id: "a", tunnel_id: "b" };
  assertProblem(await owner.post("/api/admin/drain", two), 400, "request_invalid");
  const overview = (await owner.get("/api/admin/overview")).json;
  assert.deepEqual([overview.edges[0].edge_id, overview.silent_edges], ["edge-1", ["edge-7"]]);
  const versions = (await owner.get("/api/admin/versions")).json;
  assert.deepEqual(versions.edges, [{ edge_id: "edge-1", version: "1.2.3" }]);
});

Deno.test("viewers look, operators change, owners manage accounts: admin_role_insufficient", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  await makeAdmin(control, "vera", "viewer");
  await makeAdmin(control, "otto", "operator");
  const [vera, otto] = [await signIn(control, "vera"), await signIn(control, "otto")];
  const drain = { agent_id: "agent-a" };
  assertProblem(await vera.post("/api/admin/drain", drain), 403, "admin_role_insufficient");
  assert.equal((await otto.post("/api/admin/drain", drain)).status, 200);
  for (const browser of [vera, otto]) {
    assert.equal((await browser.get("/api/admin/services")).status, 200);
    assertProblem(await browser.get("/api/admin/accounts"), 403, "admin_role_insufficient");
    assertProblem(
      await browser.post("/api/admin/accounts/invite", { role: "owner" }),
      403,
      "admin_role_insufficient",
    );
  }
  assert.equal((await owner.get("/api/admin/accounts")).status, 200);
  const token = await control.tokenOf("op", "operator");
  assert.deepEqual((await control.get("/api/admin/me", token)).json, { actor: "op", role: "operator" });
  assert.equal((await control.get("/api/admin/services", token)).status, 200);
  assert.equal((await control.post("/api/admin/drain", drain, token)).status, 200);
  assertProblem(await control.get("/api/admin/accounts", token), 403, "admin_role_insufficient");
  assertProblem(await control.post("/api/admin/logout", {}, token), 401, "authorization_required");
  const change = { current_password: password, new_password: password };
  assertProblem(await control.post("/api/admin/password", change, token), 401, "authorization_required");
});

/** Routes that strangers may ask: each judges a secret of its own. */
const open = new Set(["/api/admin/login", "/api/admin/setup", "/api/admin/refresh", "/api/admin/reveal"]);

Deno.test("strangers and members see nothing of the admin API, whatever they ask", async () => {
  await using control = await openControl();
  const member = await control.tokenOf("alice");
  const bodies: Record<string, unknown> = {
    "/api/admin/drain": { agent_id: "a" },
    "/api/admin/resume": { edge_id: "edge-1" },
    "/api/admin/accounts/invite": { role: "viewer" },
    "/api/admin/accounts/role": { account_id: "a", role: "viewer" },
    "/api/admin/accounts/delete": { account_id: "a" },
    "/api/admin/factor/begin": { current_password: "a" },
    "/api/admin/factor/confirm": { code: "1" },
    "/api/admin/factor/remove": { current_password: "a", code: "1" },
    "/api/admin/accounts/factor/remove": { account_id: "a" },
    "/api/admin/password": { current_password: "a", new_password: "b" },
  };
  for (const route of ADMIN_ROUTES) {
    const path = route.path.replace("{name}", "racks");
    if (open.has(path)) continue;
    const ask = (token?: string) =>
      route.method === "get" ? control.get(path, token) : control.post(path, bodies[path] ?? {}, token);
    assertProblem(await ask(), 401, "authorization_required");
    assertProblem(await ask(member), 403, "role_insufficient");
  }
});

Deno.test("members see their own services only, and nothing of agents, edges or addresses", async () => {
  await using control = await openControl();
  const mine = await publish(control, "shop", "alice");
  await publish(control, "web", "bob");
  await control.store.bindAgent(mine, "agent-secret", control.clock.wall(), 9);
  control.presences.set(mine, { status: "online", agents: 1, tiers: ["bound-key"] });
  control.channels.push(channel({ tunnelId: mine, agentId: "agent-secret" }));
  const list = await control.get("/tunnels/list", await control.tokenOf("alice"));
  assert.deepEqual(list.json.tunnels.map((tunnel: { name: string }) => tunnel.name), ["shop"]);
  for (const hidden of ["agent-secret", "edge-1", "192.0.2.", "wss:", "bob"]) {
    assert.ok(!JSON.stringify(list.json).includes(hidden), hidden);
  }
});

Deno.test("owners of tunnels cannot take the names of administrators", async () => {
  await using control = await openControl();
  const operator = await control.tokenOf("op", "operator");
  const issued = await control.post("/auth/token/issue", { owner: "admin:ann" }, operator);
  assertProblem(issued, 400, "request_invalid");
});
