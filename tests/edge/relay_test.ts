/** The relay as endpoints meet it, good ones and hostile ones, in virtual time. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { encodeAttach } from "../../src/relay/mod.ts";
import { channelId, RelayFixture, type RelayPeer, settle } from "./relay_peers.ts";

Deno.test("RelayGate: two halves by header and by record are paired, and what one sends the other gets", async () => {
  const relay = new RelayFixture();
  const client = await relay.attach("client");
  assert.equal(client.status, 101);
  assert.ok(!client.isPaired);
  await client.send("early"); // before the other half is there
  const server = await relay.attach("server", {}, "header");
  await settle();
  assert.ok(client.isPaired && server.isPaired);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(client.received[0])), {
    type: "paired",
    v: 1,
    idle_timeout_seconds: 60,
    max_record_bytes: 65_535,
  });
  await server.send("answer");
  await client.send(new Uint8Array(0));
  await settle();
  assert.deepEqual(server.texts, ["early", ""]);
  assert.deepEqual(client.texts, ["answer"]);
  assert.deepEqual(relay.gate.channels.map(({ state, clientRemote }) => [state, clientRemote]), [
    ["paired", "192.0.2.1:2"],
  ]);
  assert.match(await relay.metric("postern_relay_channels"), /state="paired"} 1/);
  assert.match(await relay.metric("postern_relay_bytes_total"), /client"} 5\n.*server"} 6/);
  await client.close();
  assert.equal(server.reason, "peer_closed");
  await server.close();
  await relay.pass(3_000);
  assert.ok(client.ended && server.ended);
  assert.equal(relay.gate.size, 0);
  assert.deepEqual([client.over, server.over], ["served", "served"]);
});

Deno.test("RelayGate: records of any size, cut anywhere, arrive whole, in order, and at nobody else", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 65_535 }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1_000, max: 200_000 }),
      async (sizes, cuts, bufferBytes) => {
        const relay = new RelayFixture({ bufferBytes });
        const [client, server] = await relay.pair();
        const [others] = [await relay.pair({ channel_id: "another-0123456789" })];
        const records = sizes.map((size, at) => new Uint8Array(size).fill(at + 1));
        const wire = new Uint8Array(
          await new Blob(records.map((one) => client.frame(one).slice())).arrayBuffer(),
        );
        const sending = (async () => {
          for (let at = 0, cut = 0; at < wire.length; cut++) {
            const end = Math.min(wire.length, at + cuts[cut % cuts.length]);
            await client.raw(wire.subarray(at, end));
            at = end;
          }
        })();
        const answer = new Uint8Array(70).fill(9);
        await server.send(answer);
        await sending;
        for (let turn = 0; turn < 200 && server.records.length < records.length; turn++) await settle();
        assert.deepEqual(server.records, records);
        assert.deepEqual(client.records, [answer]);
        assert.deepEqual(others.map(({ records }) => records), [[], []]);
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test("RelayGate: fragments are put together, and pings are answered", async () => {
  const relay = new RelayFixture();
  const [client, server] = await relay.pair();
  // Key 0 masks nothing. A ping stands between the fragments.
  const mask = [0, 0, 0, 0];
  await client.raw(new Uint8Array([0x02, 0x83, ...mask, 1, 2, 3, 0x89, 0x81, ...mask, 7]));
  await client.raw(new Uint8Array([0x00, 0x81, ...mask, 4, 0x80, 0x81, ...mask, 5]));
  await settle();
  assert.deepEqual(server.records, [new Uint8Array([1, 2, 3, 4, 5])]);
  await client.send("after");
  await settle();
  assert.deepEqual(server.texts.slice(1), ["after"]);
});

Deno.test("RelayGate: a token counts once, holds for one channel and role, and is never in a URL", async () => {
  const relay = new RelayFixture();
  const [client, server] = await relay.pair();
  const [used] = relay.tokens.spent;
  const replay = relay.connect();
  await replay.send(encodeAttach({ channel_id: channelId, role: "client", token: used }));
  await settle();
  assert.equal(replay.reason, "token_replay");
  await client.send("still");
  await settle();
  assert.deepEqual(server.texts, ["still"], "a replayed token replaces nobody");

  const token = relay.tokens.issue({ role: "client" });
  const wrong: [string, { channel_id: string; role: "client" | "server"; token: string }][] = [
    ["channel_mismatch", { channel_id: "another-0123456789", role: "client", token }],
    ["role_mismatch", { channel_id: channelId, role: "server", token }],
    ["invalid_token", { channel_id: channelId, role: "client", token: "x".repeat(100) }],
  ];
  for (const [reason, record] of wrong) {
    const peer = relay.connect();
    await peer.send(encodeAttach(record));
    await settle();
    assert.equal(peer.reason, reason);
  }
  assert.equal(relay.connect({ target: `/v1/channel/attach?token=${token}` }).over, undefined);
  const inUrl = relay.connect({ target: `/v1/channel/attach?token=${token}` });
  await settle();
  assert.equal(inUrl.over, "relay_token_in_url");
  assert.ok(!relay.tokens.spent.has(token), "nothing of that spends it");
  const text = JSON.stringify([relay.logged, relay.refused.map(({ claims: _, ...rest }) => rest)]);
  assert.ok(!text.includes("xxxx"), "no token is logged");
  assert.deepEqual(relay.refused.map(({ code }) => code), [
    "token_replayed",
    "relay_channel_mismatch",
    "relay_role_mismatch",
    "token_bad_signature",
    "relay_token_in_url",
    "relay_token_in_url",
  ]);
});

Deno.test("RelayGate: a token in the header is refused before the upgrade, with its code", async () => {
  const relay = new RelayFixture();
  const codes: [[string, string][], string][] = [
    [[["authorization", "Bearer nobody-knows-this-token"]], "token_bad_signature"],
    [[["authorization", "Basic dXNlcjpwYXNz"]], "relay_attach_invalid"],
    [[["authorization", "Bearer a"], ["authorization", "Bearer b"]], "relay_attach_invalid"],
  ];
  for (const [headers, code] of codes) {
    const peer = relay.connect({ headers });
    await settle();
    assert.equal(peer.over, code);
    assert.equal(peer.status, 0, "no upgrade was granted");
  }
  assert.equal(relay.gate.size, 0);
});

Deno.test("RelayGate: halves whose tokens differ are not joined, and the token of the second is kept", async () => {
  const relay = new RelayFixture();
  const client = await relay.attach("client");
  const others: [string, Parameters<RelayFixture["attach"]>[1]][] = [
    ["tenant_mismatch", { tenant: "somebody" }],
    ["init_exp_mismatch", { init_exp: Date.UTC(2026, 0, 1) / 1_000 + 119 }],
    ["idle_timeout_mismatch", { idle_timeout: 61 }],
  ];
  for (const [reason, claims] of others) {
    const peer = await relay.attach("server", claims);
    assert.equal(peer.reason, reason);
  }
  assert.equal(relay.tokens.spent.size, 1);
  assert.equal(client.reason, undefined);
});

Deno.test("RelayGate: a grant that leads to another edge is told so, and its token kept", async () => {
  const relay = new RelayFixture();
  assert.equal((await relay.attach("client", { edge_id: "edge-2" })).reason, "elsewhere");
  assert.equal((await relay.attach("client", { edge_id: "edge-2" }, "header")).over, "relay_elsewhere");
  assert.equal(relay.tokens.spent.size, 0);
  const [client] = await relay.pair({ edge_id: "edge-1" });
  assert.ok(client.isPaired);
});

Deno.test("RelayGate: what is away refuses, and nobody is let in", async () => {
  const relay = new RelayFixture();
  relay.tokens.failure = new PosternError("store_unavailable");
  const byRecord = await relay.attach("client");
  assert.equal(byRecord.reason, "attach_failed");
  const byHeader = await relay.attach("client", {}, "header");
  assert.equal(byHeader.over, "relay_attach_failed");
  relay.tokens.failure = new TypeError("a bug");
  assert.equal((await relay.attach("client")).reason, "attach_failed");
  assert.deepEqual(relay.gate.channels, []);
});

Deno.test("RelayGate: the same half again ends both of before; the sixth time in 10 s is refused and spends nothing", async () => {
  const relay = new RelayFixture();
  let [client, server] = await relay.pair();
  for (let time = 1; time <= 5; time++) {
    const next = await relay.attach("client");
    assert.deepEqual([client.reason, server.reason], ["replaced", "replaced"]);
    assert.equal(next.reason, undefined);
    [client, server] = [next, await relay.attach("server")];
    assert.ok(client.isPaired && server.isPaired);
  }
  const spent = relay.tokens.spent.size;
  assert.equal((await relay.attach("server")).reason, "replace_rate_limited");
  assert.equal(relay.tokens.spent.size, spent);
  await client.send("still here");
  await settle();
  assert.deepEqual(server.texts, ["still here"]);
  await relay.pass(10_000);
  await relay.attach("server");
  assert.equal(client.reason, "replaced");
});

Deno.test("RelayGate: room is asked for before a token is spent: connections, addresses, channels, tenants, waiting", async () => {
  const full = async (settings: Record<string, string>, begin: (relay: RelayFixture) => Promise<unknown>) => {
    const relay = new RelayFixture({ settings });
    await begin(relay);
    const spent = relay.tokens.spent.size;
    const token = relay.tokens.issue({ role: "client", channel_id: "one-more-0123456789" });
    const peer = relay.connect({ headers: [["authorization", `Bearer ${token}`]] });
    await settle();
    assert.equal(peer.over, "relay_full");
    assert.equal(relay.tokens.spent.size, spent);
    assert.match(await relay.metric("postern_relay_attaches_total"), /too_many_connections"} 1/);
    return relay.logged.at(-1)!.fields.limit;
  };
  const waits = (relay: RelayFixture) => relay.attach("client");
  assert.equal(await full({ "relay.max_connections": "1" }, waits), "connections");
  assert.equal(await full({ "relay.max_connections_per_address": "1" }, waits), "address");
  assert.equal(await full({ "relay.max_channels": "1" }, waits), "channels");
  assert.equal(await full({ "relay.max_waiting": "1" }, waits), "waiting");
  assert.equal(await full({ "relay.max_channels_per_tenant": "1" }, (relay) => relay.pair()), "tenant");
});

Deno.test("RelayGate: waits have their ends: attach, init window, idle timeout", async () => {
  const relay = new RelayFixture();
  const silent = relay.connect();
  const slow = relay.connect();
  await settle();
  const half = slow.frame(encodeAttach({ channel_id: channelId, role: "client", token: "t".repeat(200) }));
  for (const byte of half.subarray(0, 9)) {
    await slow.raw(new Uint8Array([byte]));
    await relay.pass(1_000);
  }
  const waiting = await relay.attach("client");
  await relay.pass(1_300);
  assert.deepEqual([silent.reason, slow.reason, waiting.reason], ["timeout", "timeout", undefined]);
  const late = await relay.attach("server", {
    channel_id: "other-0123456789",
    init_exp: Date.UTC(2026, 0, 1) / 1_000 + 9,
  });
  assert.equal(late.reason, "init_expired");
  await relay.pass(109_000);
  assert.equal(waiting.reason, undefined);
  await relay.pass(1_000);
  assert.equal(waiting.reason, "init_expired");

  const init_exp = Date.UTC(2026, 0, 1) / 1_000 + 300;
  const [client, server] = await relay.pair({ idle_timeout: 20, init_exp });
  await relay.pass(19_000);
  await server.send("ping");
  await relay.pass(19_500);
  assert.equal(client.reason, undefined, "either direction counts");
  await client.raw(new Uint8Array([0x89, 0x80, 0, 0, 0, 0]));
  await relay.pass(1_000);
  assert.deepEqual([client.reason, server.reason], ["idle_timeout", "idle_timeout"], "pings do not");
  await relay.pass(3_000);
  assert.equal(relay.gate.size, 0);
  assert.ok([silent, slow, waiting, client, server].every(({ ended }) => ended), "nobody keeps a connection");
});

Deno.test("RelayGate: what is no attach is refused at once, or when 8 KiB are full", async () => {
  const relay = new RelayFixture();
  const first = async (send: (peer: RelayPeer) => Promise<void>) => {
    const peer = relay.connect();
    await send(peer);
    await settle();
    return peer.reason;
  };
  assert.equal(await first((peer) => peer.send("GET / HTTP/1.1")), "expected_attach");
  assert.equal(await first((peer) => peer.send('{"type":"attach"}')), "invalid_attach");
  assert.equal(await first((peer) => peer.send(new Uint8Array(9_000))), "invalid_attach");
  assert.equal(await first((peer) => peer.raw(utf8("GET / HTTP/1.1\r\n\r\n"))), "broken_frame");
  assert.equal(
    await first((peer) => peer.raw(new Uint8Array([0x81, 0x82, 0, 0, 0, 0, 65, 66]))),
    "non_binary_frame",
  );
  assert.equal(
    await first((peer) => peer.raw(new Uint8Array([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]))),
    "record_too_large",
  );
  assert.equal(relay.tokens.verified, 0, "nothing of that costs a signature");
  await relay.pass(3_000);
  assert.equal(relay.gate.size, 0);
});

Deno.test("RelayGate: a half that breaks the rules is told why, its peer only that it is gone", async () => {
  const breaks: [string, Uint8Array][] = [
    ["record_too_large", new Uint8Array([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])],
    ["non_binary_frame", new Uint8Array([0x81, 0x81, 0, 0, 0, 0, 65])],
    ["broken_frame", new Uint8Array([0x82, 0x01, 65])],
  ];
  for (const [reason, wire] of breaks) {
    const relay = new RelayFixture();
    const [client, server] = await relay.pair();
    await client.raw(new Uint8Array([...client.frame(utf8("before")), ...wire]));
    await settle();
    assert.equal(client.reason, reason);
    assert.deepEqual(
      [server.reason, server.texts],
      ["peer_closed", ["before"]],
      "what came before is passed on",
    );
  }
});

Deno.test("RelayGate: a slow reader stops its writer within bounds, and gets everything in the end", async () => {
  const relay = new RelayFixture({ bufferBytes: 65_536 });
  const [client, server] = await relay.pair();
  server.reads = false;
  const record = new Uint8Array(60_000).fill(7);
  let sent = 0;
  const count = 60;
  const sending = (async () => {
    for (; sent < count; sent++) await client.send(record);
  })();
  for (let turn = 0; turn < 50; turn++) await settle();
  assert.ok(sent * record.length < 65_536 * 2 + 262_144 + 2 * 65_536, `${sent} records were taken`);
  assert.match(
    await relay.metric("postern_relay_buffered_bytes"),
    /262144/,
    "one buffer, however much waits",
  );
  // The other direction is not held up.
  server.resume();
  await sending;
  for (let turn = 0; turn < 200 && server.records.length < count; turn++) await settle();
  assert.equal(server.records.length, count);
  assert.ok(server.records.every((one) => one.length === 60_000 && one[59_999] === 7));
});

Deno.test("RelayGate: whoever reads nothing is gone at the idle timeout, its writer with it", async () => {
  const relay = new RelayFixture({ bufferBytes: 10_000 });
  const [client, server] = await relay.pair();
  server.reads = false;
  client.send(new Uint8Array(60_000)).catch(() => {});
  await settle();
  await relay.pass(61_000);
  assert.equal(client.reason, "idle_timeout");
  await relay.pass(5_000);
  assert.equal(relay.gate.size, 0, "nothing waits for it");
});

Deno.test("RelayGate: large buffers are bounded in all and by tenant; who finds none waits for one", async () => {
  const relay = new RelayFixture({
    settings: { "relay.max_buffered_bytes": "1MiB", "relay.max_tenant_buffered_bytes": "1MiB" },
    bufferBytes: 20_000,
  });
  const pairs: [RelayPeer, RelayPeer][] = [];
  for (let at = 0; at < 6; at++) pairs.push(await relay.pair({ channel_id: `channel-number-${at}-0123` }));
  for (const [, server] of pairs) server.reads = false;
  for (const [client] of pairs) void client.send(new Uint8Array(65_000).fill(1));
  for (let turn = 0; turn < 20; turn++) await settle();
  assert.match(await relay.metric("postern_relay_buffered_bytes"), / 1048576$/);
  for (const [, server] of pairs) server.resume();
  for (let turn = 0; turn < 200 && pairs.some(([, { records }]) => records.length === 0); turn++) {
    await settle();
  }
  assert.ok(pairs.every(([, { records }]) => records[0].length === 65_000), "all get their turn");
  assert.match(await relay.metric("postern_relay_buffered_bytes"), / 0$/, "quiet channels hold none");
});

Deno.test("RelayGate: a record that is begun and not ended holds its buffer for half a minute", async () => {
  const relay = new RelayFixture();
  const [client, server] = await relay.pair({ idle_timeout: 3_600 });
  await client.raw(client.frame(new Uint8Array(60_000)).subarray(0, 40_000));
  await relay.pass(29_000);
  assert.equal(client.reason, undefined);
  await relay.pass(12_000);
  assert.deepEqual([client.reason, server.reason], ["timeout", "peer_closed"]);
});

Deno.test("RelayGate: a channel and a tenant pass so many bytes, and no more", async () => {
  const relay = new RelayFixture({
    settings: { "relay.max_channel_bytes": "1MiB", "relay.max_tenant_bytes_per_hour": "1536KiB" },
  });
  const record = new Uint8Array(65_535);
  const fill = async ([client, server]: [RelayPeer, RelayPeer]) => {
    for (let at = 0; at < 17 && client.reason === undefined; at++) {
      await client.send(record);
      await settle();
    }
    return [client.reason, server.reason, server.records.length];
  };
  assert.deepEqual(await fill(await relay.pair()), ["byte_limit", "byte_limit", 16]);
  assert.deepEqual(await fill(await relay.pair()), ["byte_limit", "byte_limit", 7]);
  assert.equal((await relay.attach("client")).reason, "byte_limit");
  const other = await relay.attach("client", { tenant: "another", channel_id: "another-0123456789" });
  assert.equal(other.reason, undefined);
});

Deno.test("RelayGate: revocation cuts the channels of a tenant or agent, also those about to attach; others stay", async () => {
  const relay = new RelayFixture();
  const mine = await relay.pair();
  const theirs = await relay.pair({
    tenant: "another",
    channel_id: "another-0123456789",
    agent_id: "agent-7",
  });
  const spending = Promise.withResolvers<void>();
  relay.tokens.gate = spending.promise;
  const about = await relay.attach("client", { channel_id: "about-0123456789" });
  relay.gate.cutTenant("owner");
  await settle();
  assert.deepEqual([...mine, about].map(({ reason }) => reason), ["revoked", "revoked", "revoked"]);
  spending.resolve();
  await settle();
  assert.equal(relay.gate.channels.length, 1);
  relay.gate.cutAgent("agent-8");
  await settle();
  assert.deepEqual(theirs.map(({ reason }) => reason), [undefined, undefined]);
  relay.gate.cutAgent("agent-7");
  await settle();
  assert.equal(theirs[0].reason, "revoked");
  assert.deepEqual(theirs[1].reason, "revoked", "both hear why");
  const service = await relay.pair({ tunnel_id: "tunnel-1", channel_id: "service-0123456789" });
  relay.gate.cutTunnel("tunnel-2");
  await settle();
  assert.equal(service[0].reason, undefined);
  relay.gate.cutTunnel("tunnel-1");
  await settle();
  assert.deepEqual(service.map(({ reason }) => reason), ["revoked", "revoked"]);
  const guests = await relay.pair({ requester: "guest", channel_id: "guest-of-owner-0123" });
  relay.gate.cutTenant("guest");
  await settle();
  assert.deepEqual(
    guests.map(({ reason }) => reason),
    ["revoked", "revoked"],
    "whoever asked counts as well",
  );
  const one = await relay.pair({ channel_id: "one-0123456789abcd" });
  assert.deepEqual(relay.gate.attached.map(({ channel_id }) => channel_id).slice(-2), [
    "one-0123456789abcd",
    "one-0123456789abcd",
  ]);
  relay.gate.cutChannel("one-0123456789abcd");
  await settle();
  assert.deepEqual(one.map(({ reason }) => reason), ["revoked", "revoked"]);
  const all = await relay.pair({ channel_id: "everybody-0123456789" });
  relay.gate.cutTenant(undefined);
  await settle();
  assert.deepEqual(all.map(({ reason }) => reason), ["revoked", "revoked"]);
});

Deno.test("RelayGate: a failed proof cuts what its agent serves for that tunnel, and all that it asked for", async () => {
  const relay = new RelayFixture();
  const pair = (channel_id: string, tunnel_id: string, client?: string, server?: string) =>
    Promise.all(
      [
        relay.attach("client", { channel_id, tunnel_id, agent_id: client }),
        relay.attach("server", {
          channel_id,
          tunnel_id,
          agent_id: server,
        }),
      ],
    );
  const served = await pair("served-0123456789", "tunnel-1", undefined, "agent-1");
  const elsewhere = await pair("elsewhere-0123456789", "tunnel-2", undefined, "agent-1");
  const asked = await pair("asked-0123456789", "tunnel-3", "agent-1", "agent-2");
  relay.gate.cutAgent("agent-1", "tunnel-1");
  await settle();
  const reasons = [...served, ...elsewhere, ...asked].map(({ reason }) => reason);
  assert.deepEqual(reasons, ["revoked", "revoked", undefined, undefined, "revoked", "revoked"]);
});

Deno.test("RelayGate: a raised tier cuts channels of the tunnel whose server is of no agent that has it", async () => {
  const relay = new RelayFixture();
  const pair = (channel_id: string, tunnel_id: string, agent_id: string) =>
    relay.pair({ channel_id, tunnel_id, agent_id });
  const weak = await pair("weak-0123456789ab", "tunnel-1", "weak");
  const strong = await pair("strong-0123456789", "tunnel-1", "strong");
  const other = await pair("other-0123456789a", "tunnel-2", "weak");
  relay.gate.cutUnlessServed("tunnel-1", new Set(["strong"]));
  await settle();
  const reasons = [...weak, ...strong, ...other].map(({ reason }) => reason);
  assert.deepEqual(reasons, ["revoked", "revoked", undefined, undefined, undefined, undefined]);
});

Deno.test("RelayGate: draining takes nobody, ends who waits, and lets pairs go on until the end", async () => {
  const relay = new RelayFixture();
  const [client, server] = await relay.pair();
  const waiting = await relay.attach("client", { channel_id: "waiting-0123456789" });
  relay.gate.drain();
  await settle();
  assert.equal(waiting.reason, "draining");
  assert.equal((await relay.attach("client", {}, "header")).over, "peer_draining");
  await client.send("on the way");
  await settle();
  assert.deepEqual(server.texts, ["on the way"]);
  relay.gate.close();
  await settle();
  assert.deepEqual([client.reason, server.reason], ["draining", "draining"]);
  const closed = relay.gate.closed();
  await relay.pass(3_000);
  await closed;
});

Deno.test("RelayGate: a half that is killed is noticed, and its peer told", async () => {
  const relay = new RelayFixture();
  const [client, server] = await relay.pair();
  await client.send("last words");
  client.stream.close();
  await settle();
  assert.deepEqual([server.reason, server.texts], ["peer_closed", ["last words"]]);
  const alone = await relay.attach("client");
  alone.stream.close();
  await relay.pass(3_000);
  assert.deepEqual(relay.gate.channels, []);
  assert.equal(relay.gate.size, 0, "who says no goodbye is closed by time");
});

Deno.test("RelayGate: a flood of pings is answered with the last one, while records go through", async () => {
  const relay = new RelayFixture();
  const [client, server] = await relay.pair();
  const ping = new Uint8Array(7 * 5_000);
  for (let at = 0; at < ping.length; at += 7) ping.set([0x89, 0x81, 0, 0, 0, 0, 65], at);
  await client.raw(ping);
  await client.send("through");
  await settle();
  assert.deepEqual(server.texts, ["through"]);
  assert.match(await relay.metric("postern_relay_buffered_bytes"), / 0$/);
});
