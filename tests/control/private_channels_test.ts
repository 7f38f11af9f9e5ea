import assert from "node:assert/strict";
import { boundKeyProvider } from "../../src/attestation/mod.ts";
import type { OfferTaken } from "../../src/control/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { type ChannelInitGrant, consumeAttachToken, readGrant } from "../../src/grants/mod.ts";
import { verifyAttach } from "../../src/identity/mod.ts";
import {
  answerFor,
  assertProblem,
  binding,
  type Control,
  type ControlOptions,
  edgeKey,
  issuer,
  openControl,
} from "./support.ts";

const initPath = "/v1/channel/init";
const reissuePath = "/v1/channel/reissue";
const staticKey = binding(40);
const taken: OfferTaken = { agentId: "agent-9", staticKey };
const serving = {
  agentId: "agent-9",
  edgeId: "edge-1",
  instanceId: undefined,
  publicKey: edgeKey,
  tunnelUrl: "wss://edge-1.example/v1/channel/attach",
};

/** A control plane with alice's service `db`, whose agent takes what it is offered unless `answer` says otherwise. */
async function opened(options: ControlOptions = {}, rules: Record<string, unknown> = {}) {
  const offered: ChannelInitGrant[] = [];
  const asked: string[] = [];
  const agent = {
    agents: ["agent-9"],
    isOnline: true,
    answer: (_grant: ChannelInitGrant): OfferTaken => taken,
  };
  const control = await openControl({
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    delivery: {
      locate: (_tunnelId, except) =>
        Promise.resolve(
          agent.isOnline
            ? agent.agents.filter((id) => !except.has(id)).map((agentId) => ({ ...serving, agentId }))[0]
            : undefined,
        ),
      // deno-lint-ignore require-await -- what it throws is a rejection
      offer: async (edge, _tunnelId, grant) => {
        offered.push(grant);
        asked.push(edge.agentId);
        return agent.answer(grant);
      },
    },
    ...options,
  });
  const alice = await control.tokenOf("alice");
  const created = await control.post(
    "/tunnels/create",
    { requested_name: "db", protocol: "private", rules },
    alice,
  );
  assert.equal(created.status, 200, JSON.stringify(created.json));
  return { control, alice, offered, asked, agent, created: created.json };
}

const verified = (control: Control, token: string) =>
  verifyAttach(token, control.keyset, { audience: "postern-edge", issuer, nowMs: control.clock.wall() });
const isSpent = async (control: Control, token: string) => {
  const { jti, exp } = await verified(control, token);
  return !await control.store.consumeOnce("attach", jti, exp * 1_000);
};
const linesOf = async (control: Control) =>
  (await control.store.auditEntries(50)).filter(({ action }) => action.startsWith("channel."));

Deno.test("POST /tunnels/create makes a private service: no hostname, no port, a name that others may have as well", async () => {
  const { control, alice, created } = await opened({ config: { anonymousTunnels: true } });
  await using _ = control;
  assert.equal(created.public_hostname, "db");
  assert.equal(created.public_port, undefined);
  const { tunnels } = (await control.get("/tunnels/list", alice)).json;
  assert.deepEqual(
    tunnels.map(({ name, protocol }: { name: string; protocol: string }) => [name, protocol]),
    [["db", "private"]],
  );
  const again = { requested_name: "db", protocol: "private" };
  assert.equal((await control.post("/tunnels/create", again, alice)).json.tunnel_id, created.tunnel_id);
  assert.equal((await control.post("/tunnels/create", again, await control.tokenOf("bob"))).status, 200);
  assertProblem(await control.post("/tunnels/create", again), 401, "authorization_required");
  const recreated = { ...again, recreate_token: created.recreate_token };
  assert.equal((await control.post("/tunnels/create", recreated)).status, 200);
  // Reserved names are about host names; the form of a name is not.
  assert.equal(
    (await control.post("/tunnels/create", { ...again, requested_name: "ssh" }, alice)).status,
    200,
  );
  for (const requested_name of ["*.db", "Db", "a/b"]) {
    assertProblem(
      await control.post("/tunnels/create", { ...again, requested_name }, alice),
      400,
      "name_invalid",
    );
  }
  for (const rules of [{ allow: ["10.0.0.0/8"] }, { rate: { per_second: 1, burst: 1 } }]) {
    assertProblem(await control.post("/tunnels/create", { ...again, rules }, alice), 422, "rules_invalid");
  }
  assertProblem(
    await control.post("/tunnels/create", { requested_name: "web", rules: { connect: ["bob"] } }, alice),
    422,
    "rules_invalid",
  );
});

Deno.test("POST /v1/channel/init gives a paired grant to each side: one window, one key, fresh every time", async () => {
  const { control, alice, offered } = await opened();
  await using _ = control;
  const client_static_key = binding(41);
  const { status, json } = await control.post(initPath, { service: "db", client_static_key }, alice);
  assert.equal(status, 200, JSON.stringify(json));
  const nowMs = control.clock.wall();
  const client = readGrant(json.grant_client, { role: "client", nowMs });
  const server = readGrant(offered[0], { role: "server", nowMs });
  assert.equal(json.channel_id, client.channel_id);
  assert.match(client.channel_id, /^[A-Za-z0-9_-]{32}$/);
  assert.equal(client.channel_init_expire_at_unix_s, Math.floor(nowMs / 1_000) + 120);
  assert.equal(client.idle_timeout_seconds, 60);
  assert.equal(client.tunnel_url, serving.tunnelUrl);
  assert.deepEqual([client.peer_static_key, client.peer_agent_id], [staticKey, "agent-9"]);
  assert.equal(server.peer_static_key, client_static_key);
  for (
    const field of ["channel_id", "channel_init_expire_at_unix_s", "e2ee_psk_b64u", "tunnel_url"] as const
  ) {
    assert.equal(client[field], server[field], field);
  }
  const tokens = await Promise.all([client, server].map(({ token }) => verified(control, token)));
  assert.deepEqual(tokens.map(({ role, tenant }) => [role, tenant]), [["client", "alice"], [
    "server",
    "alice",
  ]]);
  assert.deepEqual(tokens.map(({ requester, requester_role }) => [requester, requester_role]), [
    ["alice", "member"],
    ["alice", "member"],
  ]);
  for (const { exp, iat, init_exp } of tokens) {
    assert.deepEqual([exp - iat, init_exp], [60, client.channel_init_expire_at_unix_s]);
  }
  const other = (await control.post(initPath, { service: "db" }, alice)).json.grant_client;
  for (const field of ["channel_id", "e2ee_psk_b64u", "token"] as const) {
    assert.notEqual(other[field], client[field]);
  }
});

Deno.test("POST /v1/channel/init takes an id from who asks, once while it is waited for: channel_id_taken", async () => {
  const { control, alice } = await opened();
  await using _ = control;
  const channel_id = "my-own-channel-id-0001";
  const ask = () => control.post(initPath, { service: "db", channel_id }, alice);
  assert.equal((await ask()).json.channel_id, channel_id);
  assertProblem(await ask(), 409, "channel_id_taken");
  control.clock.advance(121_000);
  assert.equal((await ask()).status, 200);
  for (const bad of ["short", "with spaces in it", "x".repeat(65)]) {
    assertProblem(
      await control.post(initPath, { service: "db", channel_id: bad }, alice),
      400,
      "request_invalid",
    );
  }
});

Deno.test("who is not let in gets the answer of a service that is not there: private_service_unknown", async () => {
  const { control, alice, offered, agent } = await opened({}, { connect: ["carol"] });
  await using _ = control;
  const ask = async (owner: string, service: string, role: "member" | "operator" = "member") =>
    await control.post(initPath, { service }, await control.tokenOf(owner, role));
  const refused = [
    await ask("bob", "alice/db"),
    await ask("bob", "db"),
    await ask("bob", "alice/nothing"),
    await ask("bob", "nobody/db"),
    await control.post(initPath, { service: "nothing" }, alice),
  ];
  for (const answer of refused) {
    assertProblem(answer, 404, "private_service_unknown");
    assert.equal(answer.json.detail, refused[0].json.detail);
  }
  assert.equal(offered.length, 0);
  assert.equal((await ask("carol", "alice/db")).status, 200);
  assert.equal((await ask("root", "alice/db", "operator")).status, 200);
  assert.equal((await ask("alice", "alice/db")).status, 200);
  // Whether it is online is told to nobody else, either.
  agent.isOnline = false;
  assertProblem(await ask("bob", "alice/db"), 404, "private_service_unknown");
  assertProblem(await ask("carol", "alice/db"), 503, "private_service_offline");
  // What was let in by name can be put out again.
  await control.post("/tunnels/create", { requested_name: "db", protocol: "private", rules: {} }, alice);
  assertProblem(await ask("carol", "alice/db"), 404, "private_service_unknown");
  assertProblem(await control.post(initPath, { service: "db" }), 401, "authorization_required");
  // A public service is no private one.
  await control.post("/tunnels/create", { requested_name: "web" }, alice);
  assertProblem(await control.post(initPath, { service: "web" }, alice), 404, "private_service_unknown");
});

Deno.test("an agent asks by the reauth token of its attestation, for as long as that stands", async () => {
  const { control, alice, offered } = await opened();
  await using _ = control;
  const provider = await boundKeyProvider(new Uint8Array(32).fill(9));
  const own = await control.post("/tunnels/create", { requested_name: "web" }, alice);
  const answer = await answerFor(control, provider, own.json.ephemeral_token);
  const reauth = (await control.post("/attest/evidence", answer)).json.reauth_token as string;
  assert.equal((await control.post(initPath, { service: "db" }, reauth)).status, 200);
  assert.equal(offered[0].peer_agent_id, provider.agentId);
  const client = (await control.post(initPath, { service: "db" }, reauth)).json.grant_client;
  const { agent_id, attestation_id } = await verified(control, client.token);
  assert.equal(agent_id, provider.agentId);
  assert.equal((await control.store.attestation(attestation_id!))?.state, "passed");
  assert.equal((await control.post(initPath, { service: "db", management_token: reauth })).status, 200);
  assertProblem(
    await control.post(initPath, { service: "db", management_token: reauth }, alice),
    400,
    "credentials_ambiguous",
  );
  assertProblem(
    await control.post(initPath, { service: "db" }, own.json.recreate_token),
    401,
    "token_wrong_type",
  );
  assertProblem(
    await control.post(initPath, { service: "db" }, own.json.ephemeral_token),
    401,
    "token_wrong_type",
  );
  await control.post("/tunnels/delete", { tunnel_id: own.json.tunnel_id }, alice);
  assertProblem(await control.post(initPath, { service: "db" }, reauth), 410, "tunnel_gone");
});

Deno.test("a channel that the agent does not take leaves nothing behind: its tokens are spent, its id is free", async () => {
  const { control, alice, offered, agent } = await opened();
  await using _ = control;
  const channel_id = "my-own-channel-id-0001";
  const refusals = [
    ["private_offer_refused", 503],
    ["private_offer_timeout", 504],
    ["private_offer_limit", 503],
    ["private_service_offline", 503],
  ] as const;
  for (const [code, status] of refusals) {
    agent.answer = () => {
      throw new PosternError(code);
    };
    assertProblem(await control.post(initPath, { service: "db", channel_id }, alice), status, code);
    assert.equal(await isSpent(control, offered.at(-1)!.token), true, code);
  }
  agent.answer = () => taken;
  assert.equal((await control.post(initPath, { service: "db", channel_id }, alice)).status, 200);
});

Deno.test("of several agents the next one is asked only after a plain no, three in all", async () => {
  const { control, alice, asked, offered, agent } = await opened();
  await using _ = control;
  agent.agents = ["a", "b", "c", "d"];
  agent.answer = () => {
    if (asked.at(-1) !== "c") throw new PosternError("private_offer_refused");
    return { agentId: "c", staticKey };
  };
  const channel_id = "my-own-channel-id-0001";
  const { status, json } = await control.post(initPath, { service: "db", channel_id }, alice);
  assert.deepEqual([status, asked, json.grant_client.peer_agent_id], [200, ["a", "b", "c"], "c"]);
  const spent = await Promise.all(offered.map(({ token }) => isSpent(control, token)));
  assert.deepEqual(spent, [true, true, false]);
  asked.length = 0;
  agent.agents = ["a", "b", "d", "e"];
  assertProblem(await control.post(initPath, { service: "db" }, alice), 503, "private_offer_refused");
  assert.deepEqual(asked, ["a", "b", "d"]);
  asked.length = 0;
  agent.answer = () => {
    throw new PosternError("private_offer_timeout");
  };
  assertProblem(await control.post(initPath, { service: "db" }, alice), 504, "private_offer_timeout");
  assert.deepEqual(asked, ["a"], "it may come after all");
});

Deno.test("POST /v1/channel/reissue: the same id, key and window on both sides, and the tokens of before are void", async () => {
  const { control, alice, offered } = await opened();
  await using _ = control;
  const client_static_key = binding(41);
  const first = (await control.post(initPath, { service: "db", client_static_key }, alice)).json;
  control.clock.advance(30_000);
  const ask = (token = alice, change = {}) =>
    control.post(
      reissuePath,
      { channel_id: first.channel_id, reissue_token: first.reissue_token, ...change },
      token,
    );
  const again = await ask();
  assert.equal(again.status, 200, JSON.stringify(again.json));
  const { token: clientToken, ...client } = again.json.grant_client;
  const { token: serverToken, ...server } = offered[1];
  const { token: oldClient, ...firstClient } = first.grant_client;
  const { token: oldServer, ...firstServer } = offered[0];
  assert.deepEqual([client, server], [firstClient, firstServer]);
  assert.equal(new Set([clientToken, serverToken, oldClient, oldServer]).size, 4);
  assert.equal(again.json.reissue_token, first.reissue_token);
  const before = control.clock.wall() - 30_000;
  for (const token of [oldClient, oldServer]) {
    const { jti, exp } = await verifyAttach(token, control.keyset, {
      audience: "postern-edge",
      issuer,
      nowMs: before,
    });
    await assert.rejects(
      consumeAttachToken(control.store, jti, exp),
      (error) => error instanceof PosternError && error.code === "token_replayed",
    );
  }
  for (const token of [clientToken, serverToken]) assert.equal(await isSpent(control, token), false);
  // 20 s are left of the window: no token outlives it.
  control.clock.advance(70_000);
  const last = await verified(control, (await ask()).json.grant_client.token);
  assert.deepEqual([last.exp - last.iat, last.exp], [20, last.init_exp]);
  const unknown = [
    await ask(await control.tokenOf("bob")),
    await ask(await control.tokenOf("root", "operator")),
    await ask(alice, { reissue_token: binding(1) }),
    await ask(alice, { channel_id: "another-channel-id-1" }),
  ];
  for (const answer of unknown) assertProblem(answer, 404, "grant_unknown");
  control.clock.advance(20_000);
  assertProblem(await ask(), 404, "grant_unknown");
});

Deno.test("POST /v1/channel/reissue may be tried again after the agent was away, eight times in all: grant_limit_reached", async () => {
  const { control, alice, agent, offered } = await opened();
  await using _ = control;
  const { channel_id, reissue_token } = (await control.post(initPath, { service: "db" }, alice)).json;
  const ask = () => control.post(reissuePath, { channel_id, reissue_token }, alice);
  agent.isOnline = false;
  assertProblem(await ask(), 503, "private_service_offline");
  assert.equal(
    await isSpent(control, offered[0].token),
    false,
    "nothing was spent for an agent that is away",
  );
  agent.isOnline = true;
  agent.answer = () => {
    throw new PosternError("private_offer_timeout");
  };
  assertProblem(await ask(), 504, "private_offer_timeout");
  assert.equal(await isSpent(control, offered.at(-1)!.token), true);
  agent.answer = () => taken;
  for (let i = 0; i < 7; i++) assert.equal((await ask()).status, 200);
  assertProblem(await ask(), 429, "grant_limit_reached");
});

Deno.test("of two reissues at once one gets the tokens that count: grant_reissued", async () => {
  const { control, alice, offered } = await opened();
  await using _ = control;
  const { channel_id, reissue_token } = (await control.post(initPath, { service: "db" }, alice)).json;
  const { replacePendingTokens } = control.store;
  control.store.replacePendingTokens = async (...args) => {
    control.store.replacePendingTokens = replacePendingTokens;
    assert.equal((await control.post(reissuePath, { channel_id, reissue_token }, alice)).status, 200);
    return await replacePendingTokens(...args);
  };
  assertProblem(await control.post(reissuePath, { channel_id, reissue_token }, alice), 409, "grant_reissued");
  assert.equal(offered.length, 2, "the one that came too late offered nothing");
});

Deno.test("POST /v1/channel/reissue is for who may still connect", async () => {
  const { control, alice } = await opened({}, { connect: ["carol"] });
  await using _ = control;
  const carol = await control.tokenOf("carol");
  const { channel_id, reissue_token } = (await control.post(initPath, { service: "alice/db" }, carol)).json;
  const ask = () => control.post(reissuePath, { channel_id, reissue_token }, carol);
  assert.equal((await ask()).status, 200);
  await control.post("/tunnels/create", { requested_name: "db", protocol: "private", rules: {} }, alice);
  assertProblem(await ask(), 404, "grant_unknown");
});

Deno.test("channels of one owner that wait are bounded, and of all: grant_limit_reached, pending_grants_full", async () => {
  const grants = { initWindowMs: 120_000, tokenLifeMs: 60_000, idleTimeoutMs: 60_000, maxPendingPerOwner: 2 };
  const { control, alice, offered } = await opened(
    { config: { grants }, store: { maxPendingPairs: 3 } },
    { connect: ["bob", "carol"] },
  );
  await using _ = control;
  const ask = () => control.post(initPath, { service: "db" }, alice);
  const first = await ask();
  assert.equal((await ask()).status, 200);
  assertProblem(await ask(), 429, "grant_limit_reached");
  // One that both came to does not wait any more.
  for (const { token } of [first.json.grant_client, offered[0]]) {
    const { jti, exp } = await verified(control, token);
    await consumeAttachToken(control.store, jti, exp);
  }
  assert.equal((await ask()).status, 200);
  const bob = await control.tokenOf("bob");
  assertProblem(await control.post(initPath, { service: "alice/db" }, bob), 503, "pending_grants_full");
});

Deno.test("channels to one service that another owner asked for and did not open are 16: grant_limit_reached", async () => {
  const { control, alice } = await opened({}, { connect: ["bob", "carol"] });
  await using _ = control;
  await control.post("/tunnels/create", {
    requested_name: "web",
    protocol: "private",
    rules: { connect: ["bob"] },
  }, alice);
  const [bob, carol] = [await control.tokenOf("bob"), await control.tokenOf("carol")];
  const ask = (token: string, service = "alice/db") => control.post(initPath, { service }, token);
  for (let asked = 0; asked < 16; asked++) assert.equal((await ask(bob)).status, 200);
  assertProblem(await ask(bob), 429, "grant_limit_reached");
  for (const [token, service] of [[bob, "alice/web"], [carol], [alice]]) {
    assert.equal((await ask(token, service)).status, 200);
  }
  for (let asked = 0; asked < 16; asked++) assert.equal((await ask(alice)).status, 200);
});

Deno.test("POST /v1/channel/init is limited by owner and by address: rate_limited", async () => {
  const slow = { perMinute: 1, burst: 2 };
  const control = await openControl();
  const { rates } = control.deps.config;
  await control[Symbol.asyncDispose]();
  for (const group of ["grant", "grant_owner"] as const) {
    const { control, alice } = await opened({ config: { rates: { ...rates, [group]: slow } } });
    await using _ = control;
    const ask = (ip: string, service = "db") => control.post(initPath, { service }, alice, ip);
    const ips = group === "grant" ? ["192.0.2.7", "192.0.2.7"] : ["192.0.2.8", "198.51.100.9"];
    // Names that are tried out count as well.
    for (const ip of ips) assert.equal((await ask(ip, "nothing")).status, 404);
    const answer = await ask(group === "grant" ? "192.0.2.7" : "203.0.113.1");
    assertProblem(answer, 429, "rate_limited");
    assert.ok(Number(answer.headers.get("Retry-After")) > 0);
    if (group === "grant") assert.equal((await ask("203.0.113.1")).status, 200);
  }
});

Deno.test("the audit log has a line of every channel that was asked for, and nowhere stands what opens one", async () => {
  const { control, alice, offered } = await opened();
  await using _ = control;
  const { json } = await control.post(initPath, { service: "db" }, alice);
  await control.post(reissuePath, { channel_id: json.channel_id, reissue_token: json.reissue_token }, alice);
  await control.post(initPath, { service: "nothing" }, alice);
  const lines = await linesOf(control);
  assert.deepEqual(lines.map(({ action, actor, outcome }) => [action, actor, outcome]), [
    ["channel.init", "alice", "private_service_unknown"],
    ["channel.reissue", "alice", "ok"],
    ["channel.init", "alice", "ok"],
  ]);
  const ids = await Promise.all([json.grant_client, offered[0]].map(({ token }) => verified(control, token)));
  assert.deepEqual(lines[2].detail, {
    channel_id: json.channel_id,
    client_token: ids[0].jti,
    server_token: ids[1].jti,
  });
  const pending = await control.store.pendingPair("0".repeat(64));
  assert.equal(pending, undefined);
  const texts = [JSON.stringify(await control.store.auditEntries(100)), ...control.logged].join("\n");
  const secrets = [json.grant_client.e2ee_psk_b64u, json.reissue_token, ...offered.map(({ token }) => token)];
  for (const secret of secrets) assert.ok(!texts.includes(secret));
});

Deno.test("what the store keeps of a channel opens it for nobody: the key is sealed by a secret that is not there", async () => {
  const { control, alice } = await opened();
  await using _ = control;
  const kept: string[] = [];
  const { putPendingPair } = control.store;
  control.store.putPendingPair = (pair, max) => {
    kept.push(JSON.stringify(pair));
    return putPendingPair(pair, max);
  };
  const { json } = await control.post(initPath, { service: "db" }, alice);
  for (const secret of [json.grant_client.e2ee_psk_b64u, json.reissue_token, json.grant_client.token]) {
    assert.ok(!kept[0].includes(secret));
  }
});
