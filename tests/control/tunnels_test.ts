import assert from "node:assert/strict";
import { verifyRecreate, verifyStage0 } from "../../src/identity/mod.ts";
import { assertProblem, defaultLimits, edgeKey, edgeOf, issuer, openControl } from "./support.ts";

const hourMs = 3_600_000;
const anonymous = { config: { anonymousTunnels: true } };
const tcpPorts = { first: 7000, last: 7001 };

Deno.test("POST /tunnels/create answers in the documented shape, with tokens for that tunnel only", async () => {
  await using control = await openControl();
  const { status, headers, json } = await control.post("/tunnels/create", {
    requested_name: "demo",
    preferred_transports: ["wss", "quic", "tcp"],
    region_hint: "eu",
    recreate_token_ttl_seconds: 3600,
    management_token: await control.tokenOf("alice"),
  });
  assert.equal(status, 200);
  assert.equal(headers.get("Cache-Control"), "no-store");
  const { tunnel_id, ephemeral_token, recreate_token, ...rest } = json;
  assert.deepEqual(rest, {
    public_hostname: "demo.tunnel.example",
    candidates: [{
      edge_id: "edge-1",
      edge_url: "wss://edge-1.example/channel",
      supported_transport: "wss",
      region: "eu",
      edge_public_key: edgeKey,
    }],
    candidates_expires_at: "2026-01-01T00:05:00.000Z",
    note: "no edge offers quic, tcp",
  });
  const nowMs = control.clock.wall();
  const stage0 = await verifyStage0(ephemeral_token, control.keyset, {
    audience: "postern-edge",
    issuer,
    nowMs,
  });
  assert.deepEqual(
    { ...stage0, jti: "" },
    {
      iss: issuer,
      aud: ["postern-edge"],
      sub: tunnel_id,
      iat: nowMs / 1_000,
      exp: nowMs / 1_000 + 60,
      jti: "",
      hostnames: ["demo.tunnel.example"],
      tls_hostnames: [],
      tcp_ports: [],
      udp_ports: [],
      weight: 1,
      protocol: "http",
      transports: ["wss"],
      handshake_max_age_seconds: 60,
    },
  );
  const recreate = await verifyRecreate(recreate_token, control.keyset, {
    audience: "postern-control",
    issuer,
    nowMs,
  });
  assert.deepEqual([recreate.sub, recreate.name, recreate.owner], [tunnel_id, "demo", "alice"]);
  assert.equal(recreate.exp - recreate.iat, 3_600);
});

Deno.test("POST /tunnels/create without a token needs anonymousTunnels: authorization_required", async () => {
  await using closed = await openControl();
  const refused = await closed.post("/tunnels/create", {});
  assertProblem(refused, 401, "authorization_required");
  assert.equal(refused.headers.get("WWW-Authenticate"), "Bearer");
  await using open = await openControl(anonymous);
  const { status, json } = await open.post("/tunnels/create", {});
  assert.equal(status, 200);
  assert.match(json.public_hostname, /^[a-z]+-[a-z]+-[a-z2-7]{6}\.tunnel\.example$/);
  assert.equal(json.note, undefined);
});

Deno.test("POST /tunnels/create with a recreate token gives the same tunnel and fresh tokens, wherever it stands", async () => {
  await using control = await openControl(anonymous);
  const first = (await control.post("/tunnels/create", { requested_name: "demo" })).json;
  control.clock.advance(600_000);
  const answers = [
    await control.post("/tunnels/create", { recreate_token: first.recreate_token }),
    await control.post("/tunnels/create", { management_token: first.recreate_token }),
    await control.post("/tunnels/create", { requested_name: "demo" }, first.recreate_token),
  ];
  for (const { status, json } of answers) {
    assert.equal(status, 200, JSON.stringify(json));
    assert.equal(json.tunnel_id, first.tunnel_id);
    assert.equal(json.public_hostname, first.public_hostname);
    assert.notEqual(json.ephemeral_token, first.ephemeral_token);
    assert.notEqual(json.recreate_token, first.recreate_token);
  }
});

Deno.test("POST /tunnels/create keeps a name for its owner and tells others no more than: name_taken", async () => {
  await using control = await openControl(anonymous);
  const alice = await control.tokenOf("alice");
  const bob = await control.tokenOf("bob");
  const first = (await control.post("/tunnels/create", { requested_name: "demo" }, alice)).json;
  const again = (await control.post("/tunnels/create", { requested_name: "demo" }, alice)).json;
  assert.equal(again.tunnel_id, first.tunnel_id);
  for (const token of [bob, undefined]) {
    const refused = await control.post("/tunnels/create", { requested_name: "demo" }, token);
    assertProblem(refused, 409, "name_taken");
    assert.equal(JSON.stringify(refused.json).includes("alice"), false);
  }
  const other = (await control.post("/tunnels/create", { requested_name: "other" })).json;
  assertProblem(await control.post("/tunnels/create", { requested_name: "other" }), 409, "name_taken");
  assertProblem(await control.post("/tunnels/create", { requested_name: "other" }, alice), 409, "name_taken");
  const back = await control.post("/tunnels/create", { requested_name: "other" }, other.recreate_token);
  assert.equal(back.json.tunnel_id, other.tunnel_id);
});

Deno.test("POST /tunnels/create frees an anonymous name after its hold, unless it is being served", async () => {
  await using control = await openControl(anonymous);
  const first = (await control.post("/tunnels/create", { requested_name: "demo" })).json;
  control.clock.advance(hourMs + 30_000);
  assertProblem(await control.post("/tunnels/create", { requested_name: "demo" }), 409, "name_taken");
  control.clock.advance(1_000);
  control.presences.set(first.tunnel_id, { status: "online", agents: 1, tiers: ["bound-key"] });
  assertProblem(await control.post("/tunnels/create", { requested_name: "demo" }), 409, "name_taken");
  control.presences.clear();
  const second = await control.post("/tunnels/create", { requested_name: "demo" });
  assert.equal(second.status, 200);
  assert.notEqual(second.json.tunnel_id, first.tunnel_id);
  assert.deepEqual(control.deleted, [`${first.tunnel_id} abandoned`]);
});

Deno.test("POST /tunnels/create checks names: name_invalid, name_reserved", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true, reservedNames: ["acme"] } });
  let client = 0;
  const create = (requested_name: string) =>
    control.post("/tunnels/create", { requested_name }, undefined, `198.51.100.${client++}`);
  for (const name of ["", "-a", "a-", "A", "a.b", "a_b", "ü", "xn--tst-hoa", "a".repeat(64), "a b", "a\n"]) {
    assertProblem(await create(name), 400, "name_invalid");
  }
  for (const name of ["www", "api", "admin", "control", "edge", "acme"]) {
    assertProblem(await create(name), 409, "name_reserved");
  }
  for (const name of ["a", "0", "a-b", "a".repeat(63)]) assert.equal((await create(name)).status, 200, name);
});

Deno.test("POST /tunnels/create clamps the life of the recreate token and says so in note", async () => {
  await using control = await openControl(anonymous);
  const lives: [number | undefined, number, boolean][] = [
    [undefined, 3_600, false],
    [7_200, 7_200, false],
    [0, 60, true],
    [604_800, 604_800, false],
    [99_999_999, 604_800, true],
  ];
  for (const [asked, given, noted] of lives) {
    const { json } = await control.post("/tunnels/create", { recreate_token_ttl_seconds: asked });
    const expect = { audience: "postern-control", issuer, nowMs: control.clock.wall() };
    const claims = await verifyRecreate(json.recreate_token, control.keyset, expect);
    assert.equal(claims.exp - claims.iat, given);
    assert.equal(json.note?.includes(`was set to ${given}`) ?? false, noted);
  }
});

Deno.test("POST /tunnels/create orders at most three candidates by region, transport and priority", async () => {
  const edges = [
    edgeOf({ edgeId: "us-2", region: "us", priority: 2 }),
    edgeOf({ edgeId: "us-1", region: "us", priority: 1, note: "new" }),
    edgeOf({ edgeId: "eu-tcp", region: "eu", priority: 1, transport: "tcp" }),
    edgeOf({ edgeId: "eu-wss", region: "eu", priority: 9 }),
  ];
  await using control = await openControl({ ...anonymous, edges });
  const idsOf = async (body: unknown) =>
    (await control.post("/tunnels/create", body)).json.candidates.map((one: { edge_id: string }) =>
      one.edge_id
    );
  assert.deepEqual(await idsOf({ region_hint: "eu", preferred_transports: ["wss"] }), [
    "eu-wss",
    "eu-tcp",
    "us-1",
  ]);
  assert.deepEqual(await idsOf({ region_hint: "us" }), ["us-1", "us-2", "eu-tcp"]);
  assert.deepEqual(await idsOf({ preferred_transports: ["tcp"] }), ["eu-tcp", "us-1", "us-2"]);
  const { json } = await control.post("/tunnels/create", { region_hint: "us" });
  assert.equal(json.candidates[0].note, "new");
});

Deno.test("POST /tunnels/create claims nothing when no edge is in service: no_edge_available", async () => {
  await using control = await openControl({ ...anonymous, edges: [] });
  assertProblem(await control.post("/tunnels/create", { requested_name: "demo" }), 503, "no_edge_available");
  assert.equal(await control.store.tunnelByName("demo"), undefined);
});

Deno.test("POST /tunnels/create gives tcp tunnels a public port: protocol_unavailable, tcp_ports_exhausted", async () => {
  await using without = await openControl(anonymous);
  assertProblem(await without.post("/tunnels/create", { protocol: "tcp" }), 400, "protocol_unavailable");
  await using control = await openControl({ config: { anonymousTunnels: true, tcpPorts } });
  const first = (await control.post("/tunnels/create", { protocol: "tcp" })).json;
  assert.equal(first.public_port, 7000);
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  const stage0 = await verifyStage0(first.ephemeral_token, control.keyset, expect);
  assert.deepEqual([stage0.protocol, stage0.hostnames, stage0.tcp_ports], ["tcp", [], [7000]]);
  assert.equal((await control.post("/tunnels/create", { protocol: "tcp" })).json.public_port, 7001);
  assertProblem(await control.post("/tunnels/create", { protocol: "tcp" }), 503, "tcp_ports_exhausted");
  const again = await control.post("/tunnels/create", { recreate_token: first.recreate_token });
  assert.equal(again.json.public_port, 7000);
});

Deno.test("POST /tunnels/create makes tls tunnels: a hostname whose TLS is passed on, and no port", async () => {
  await using control = await openControl(anonymous);
  const body = { protocol: "tls", requested_name: "vault" };
  const made = (await control.post("/tunnels/create", body)).json;
  assert.match(made.public_hostname, /^vault\./);
  assert.equal(made.public_port, undefined);
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  const stage0 = await verifyStage0(made.ephemeral_token, control.keyset, expect);
  assert.deepEqual(
    [stage0.protocol, stage0.hostnames, stage0.tls_hostnames, stage0.tcp_ports],
    ["tls", [], [made.public_hostname], []],
  );
  const { recreate_token } = made;
  assert.equal((await control.post("/tunnels/create", { protocol: "tls", recreate_token })).status, 200);
  assertProblem(
    await control.post("/tunnels/create", { protocol: "http", recreate_token }),
    409,
    "protocol_mismatch",
  );
});

Deno.test("POST /tunnels/create gives udp tunnels ports of their own: protocol_unavailable, udp_ports_exhausted", async () => {
  await using without = await openControl({ config: { anonymousTunnels: true, tcpPorts } });
  assertProblem(await without.post("/tunnels/create", { protocol: "udp" }), 400, "protocol_unavailable");
  const udpPorts = { first: 7000, last: 7000 };
  await using control = await openControl({ config: { anonymousTunnels: true, tcpPorts, udpPorts } });
  const create = (body: unknown) => control.post("/tunnels/create", body);
  assert.equal((await create({ protocol: "tcp" })).json.public_port, 7000);
  const first = (await create({ protocol: "udp", requested_name: "dns" })).json;
  assert.equal(first.public_port, 7000);
  const expect = { audience: "postern-edge", issuer, nowMs: control.clock.wall() };
  const stage0 = await verifyStage0(first.ephemeral_token, control.keyset, expect);
  assert.deepEqual(
    [stage0.protocol, stage0.hostnames, stage0.tcp_ports, stage0.udp_ports],
    ["udp", [], [], [7000]],
  );
  assertProblem(await create({ protocol: "udp" }), 503, "udp_ports_exhausted");
  const again = (await create({ recreate_token: first.recreate_token })).json;
  assert.deepEqual([again.public_hostname, again.public_port], [first.public_hostname, 7000]);
});

Deno.test("POST /tunnels/create refuses what a recreate token is not for: name_mismatch, protocol_mismatch", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true, tcpPorts } });
  const { recreate_token } = (await control.post("/tunnels/create", { requested_name: "demo" })).json;
  const mismatch = await control.post("/tunnels/create", { requested_name: "demo2", recreate_token });
  assertProblem(mismatch, 409, "name_mismatch");
  assertProblem(
    await control.post("/tunnels/create", { protocol: "tcp", recreate_token }),
    409,
    "protocol_mismatch",
  );
  const alice = await control.tokenOf("alice");
  await control.post("/tunnels/create", { requested_name: "mine" }, alice);
  const other = await control.post("/tunnels/create", { requested_name: "mine", protocol: "tcp" }, alice);
  assertProblem(other, 409, "protocol_mismatch");
});

Deno.test("POST /tunnels/create holds the limits of owner, address and all anonymous: tunnel_limit_reached", async () => {
  const limits = {
    maxBodyBytes: 1_024,
    maxTunnelsPerOwner: 2,
    maxAnonymousTunnels: 3,
    maxTunnelsPerAddress: 2,
    maxAgentsPerTunnel: 1,
    maxMachines: 9,
    maxNodes: 9,
  };
  await using control = await openControl({ config: { anonymousTunnels: true, limits } });
  const alice = await control.tokenOf("alice");
  const create = async (token?: string, ip?: string) =>
    (await control.post("/tunnels/create", {}, token, ip)).status;
  assert.deepEqual([await create(alice), await create(alice)], [200, 200]);
  assertProblem(await control.post("/tunnels/create", {}, alice), 403, "tunnel_limit_reached");
  assert.deepEqual([await create(), await create(), await create()], [200, 200, 403]);
  assert.deepEqual([await create(undefined, "192.0.2.2"), await create(undefined, "192.0.2.3")], [200, 403]);
});

Deno.test("tokens in header and body must agree: credentials_ambiguous, authorization_malformed, token codes", async () => {
  await using control = await openControl(anonymous);
  const [alice, bob] = [await control.tokenOf("alice"), await control.tokenOf("bob")];
  assert.equal((await control.post("/tunnels/create", { management_token: alice }, alice)).status, 200);
  const two = await control.post("/tunnels/create", { management_token: alice }, bob);
  assertProblem(two, 400, "credentials_ambiguous");
  const first = (await control.post("/tunnels/create", {})).json;
  const second = (await control.post("/tunnels/create", {})).json;
  const both = { management_token: first.recreate_token, recreate_token: second.recreate_token };
  assertProblem(await control.post("/tunnels/create", both), 400, "credentials_ambiguous");
  // A bad token is refused even where none would be needed.
  assertProblem(await control.post("/tunnels/create", { management_token: "x.y.z" }), 401, "token_malformed");
  assertProblem(await control.post("/tunnels/create", {}, first.ephemeral_token), 401, "token_wrong_type");
  const basic = new Request(`${issuer}/tunnels/list`, { headers: { Authorization: "Basic YTpi" } });
  assertProblem(await control.send(basic), 401, "authorization_malformed");
  control.clock.advance(hourMs + 30_000);
  assertProblem(await control.post("/tunnels/create", {}, first.recreate_token), 401, "token_expired");
});

Deno.test("POST /tunnels/delete by recreate token or owner ends tunnel, token and channels: tunnel_gone", async () => {
  await using control = await openControl(anonymous);
  const first = (await control.post("/tunnels/create", { requested_name: "demo" })).json;
  const answer = await control.post("/tunnels/delete", {
    tunnel_id: first.tunnel_id,
    recreate_token: first.recreate_token,
  });
  assert.deepEqual(answer.json, { tunnel_id: first.tunnel_id, deleted: true });
  assert.deepEqual(control.deleted, [`${first.tunnel_id} deleted`]);
  assertProblem(await control.post("/tunnels/create", {}, first.recreate_token), 410, "tunnel_gone");
  // The name is free again, and the old token does not reach its new owner's tunnel.
  const alice = await control.tokenOf("alice");
  const second = (await control.post("/tunnels/create", { requested_name: "demo" }, alice)).json;
  assertProblem(await control.post("/tunnels/create", {}, first.recreate_token), 410, "tunnel_gone");
  assert.equal((await control.post("/tunnels/delete", { tunnel_id: second.tunnel_id }, alice)).status, 200);
});

Deno.test("POST /tunnels/delete tells strangers nothing: tunnel_not_found, authorization_required", async () => {
  await using control = await openControl(anonymous);
  const alice = await control.tokenOf("alice");
  const { tunnel_id } = (await control.post("/tunnels/create", {}, alice)).json;
  const other = (await control.post("/tunnels/create", {})).json;
  assertProblem(await control.post("/tunnels/delete", { tunnel_id }), 401, "authorization_required");
  const bob = await control.tokenOf("bob");
  const foreign = await control.post("/tunnels/delete", { tunnel_id }, bob);
  assertProblem(foreign, 404, "tunnel_not_found");
  const missing = await control.post("/tunnels/delete", { tunnel_id: "tun_none" }, bob);
  assert.deepEqual({ ...missing.json, request_id: "" }, { ...foreign.json, request_id: "" });
  assertProblem(
    await control.post("/tunnels/delete", { tunnel_id }, other.recreate_token),
    404,
    "tunnel_not_found",
  );
  assert.deepEqual(control.deleted, []);
  const operator = await control.tokenOf("root", "operator");
  assert.equal((await control.post("/tunnels/delete", { tunnel_id }, operator)).status, 200);
});

Deno.test("GET /tunnels/list shows the owner's tunnels with their presence", async () => {
  await using control = await openControl({ config: { tcpPorts } });
  const alice = await control.tokenOf("alice");
  const first = (await control.post("/tunnels/create", { requested_name: "one" }, alice)).json;
  control.clock.advance(1_000);
  const second =
    (await control.post("/tunnels/create", { requested_name: "two", protocol: "tcp" }, alice)).json;
  await control.post("/tunnels/create", { requested_name: "three" }, await control.tokenOf("bob"));
  control.presences.set(second.tunnel_id, {
    status: "online",
    agents: 2,
    tiers: ["tpm", "bound-key"],
    lastEchoAtMs: control.clock.wall(),
  });
  const { status, json } = await control.get("/tunnels/list", alice);
  assert.equal(status, 200);
  assert.deepEqual(json, {
    tunnels: [
      {
        tunnel_id: first.tunnel_id,
        name: "one",
        public_hostname: "one.tunnel.example",
        protocol: "http",
        status: "offline",
        agents: 0,
        tiers: [],
        created_at: "2026-01-01T00:00:00.000Z",
      },
      {
        tunnel_id: second.tunnel_id,
        name: "two",
        public_hostname: "two.tunnel.example",
        protocol: "tcp",
        public_port: 7000,
        status: "online",
        agents: 2,
        tiers: ["tpm", "bound-key"],
        last_echo_at: "2026-01-01T00:00:01.000Z",
        created_at: "2026-01-01T00:00:01.000Z",
      },
    ],
  });
  assertProblem(await control.get("/tunnels/list"), 401, "authorization_required");
  assertProblem(await control.get("/tunnels/list", first.recreate_token), 401, "token_wrong_type");
});

Deno.test("creating and deleting leave lines in the audit log, without tokens", async () => {
  await using control = await openControl(anonymous);
  const { tunnel_id, recreate_token } = (await control.post("/tunnels/create", {})).json;
  await control.post("/tunnels/create", {}, recreate_token);
  await control.post("/tunnels/delete", { tunnel_id }, recreate_token);
  const entries = await control.store.auditEntries(10);
  assert.deepEqual(entries.map((entry) => entry.action), [
    "tunnel.delete",
    "tunnel.recreate",
    "tunnel.create",
  ]);
  assert.ok(entries.every((entry) => entry.subject === tunnel_id && entry.outcome === "ok"));
  assert.equal(JSON.stringify(entries).includes("eyJ"), false);
});

Deno.test("POST /tunnels/create gives a wildcard to accounts only, and both of a pair to one owner", async () => {
  await using control = await openControl(anonymous);
  const alice = await control.tokenOf("alice");
  const bob = await control.tokenOf("bob");
  const wild = await control.post("/tunnels/create", { requested_name: "*.shop" }, alice);
  assert.equal(wild.status, 200);
  assert.match(wild.json.public_hostname, /^\*\.shop\./);
  assertProblem(
    await control.post("/tunnels/create", { requested_name: "*.mine" }),
    401,
    "authorization_required",
  );
  assertProblem(await control.post("/tunnels/create", { requested_name: "shop" }, bob), 409, "name_taken");
  assert.equal((await control.post("/tunnels/create", { requested_name: "shop" }, alice)).status, 200);
  assert.equal((await control.post("/tunnels/create", { requested_name: "solo" }, bob)).status, 200);
  assertProblem(
    await control.post("/tunnels/create", { requested_name: "*.solo" }, alice),
    409,
    "name_taken",
  );
  for (const name of ["*", "*.", "*.*", "*.a.b", "a.*", "**.a"]) {
    assertProblem(
      await control.post("/tunnels/create", { requested_name: name }, alice),
      400,
      "name_invalid",
    );
  }
});

Deno.test("POST /tunnels/create adopts an anonymous tunnel for the account that proves both: revoking its owner ends it", async () => {
  await using control = await openControl(anonymous);
  const root = await control.tokenOf("root", "operator");
  const eve = await control.tokenOf("eve");
  const first = (await control.post("/tunnels/create", { requested_name: "demo" })).json;
  const { tunnel_id, recreate_token } = first;
  const hers = await control.post("/tunnels/create", { recreate_token }, eve);
  assert.deepEqual([hers.status, hers.json.tunnel_id], [200, tunnel_id]);
  const [, adoption] = await control.store.auditEntries(2);
  assert.deepEqual([adoption.action, adoption.actor, adoption.subject], ["tunnel.adopt", "eve", tunnel_id]);
  assert.equal((await control.get("/tunnels/list", eve)).json.tunnels[0].tunnel_id, tunnel_id);
  // What was given out before it had an owner neither serves nor ends it.
  assertProblem(await control.post("/tunnels/create", { recreate_token }), 410, "tunnel_gone");
  assertProblem(
    await control.post("/tunnels/delete", { tunnel_id }, recreate_token),
    404,
    "tunnel_not_found",
  );
  const bob = await control.tokenOf("bob");
  assertProblem(await control.post("/tunnels/create", { requested_name: "demo" }, bob), 409, "name_taken");
  control.clock.advance(1_000);
  assert.equal((await control.post("/auth/token/revoke", { owner: "eve" }, root)).json.tunnels, 1);
  assert.deepEqual(control.deleted, [`${tunnel_id} eve revoked`]);
  const again = { recreate_token: hers.json.recreate_token };
  assertProblem(await control.post("/tunnels/create", again), 401, "token_revoked");
});

Deno.test("POST /tunnels/create adopts no more than an account may have: tunnel_limit_reached", async () => {
  const limits = { ...defaultLimits, maxTunnelsPerOwner: 1 };
  await using control = await openControl({ config: { anonymousTunnels: true, limits } });
  const eve = await control.tokenOf("eve");
  await control.post("/tunnels/create", {}, eve);
  const { recreate_token } = (await control.post("/tunnels/create", {})).json;
  assertProblem(await control.post("/tunnels/create", { recreate_token }, eve), 403, "tunnel_limit_reached");
  assert.equal((await control.post("/tunnels/create", { recreate_token })).status, 200);
});
