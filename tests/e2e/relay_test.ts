import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { ATTACH_PATH } from "../../src/relay/mod.ts";
import { grantsOf, RelayEndpoint } from "../support/relay_endpoint.ts";
import { eventually, metricOf, type Stack, startStack } from "../support/stack.ts";

const settings = { "relay.max_connections_per_address": "24", "relay.attach": "3s" };

async function relayed(stack: Stack) {
  const status = await (await fetch(`http://127.0.0.1:${stack.edge.adminPort}/status`)).json();
  return status.relayed as { channel_id: string; state: string; bytes_from_client: number; tenant: string }[];
}

/** An upgrade as a raw client writes it. */
function upgrade(stack: Stack, lines: readonly string[] = [], path = ATTACH_PATH): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${stack.port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: postern.v1",
    ...lines,
    "",
    "",
  ].join("\r\n");
}

async function exchange([client, server]: [RelayEndpoint, RelayEndpoint]): Promise<void> {
  for (const [from, to] of [[client, server], [server, client]]) {
    for (const bytes of [1, 5_000, 65_535]) {
      const record = crypto.getRandomValues(new Uint8Array(bytes));
      await from.send(record);
      assert.deepEqual(await to.next(), record);
    }
  }
}

Deno.test("an edge relays private channels of its own grants, over ws and wss, and refuses everybody else", async (test) => {
  await using stack = await startStack({ edge: settings });
  const ca = await Deno.readTextFile(stack.edge.caPath!);
  const wss = `wss://localhost:${stack.port}${ATTACH_PATH}`;

  await test.step("two endpoints exchange records; status shows the channel and nothing of its content", async () => {
    for (const url of [undefined, wss]) {
      const grants = await grantsOf(stack, { url });
      const pair = await RelayEndpoint.pair(grants, [ca]);
      await exchange(pair);
      const [channel] = await relayed(stack);
      assert.equal(channel.channel_id, grants.client.channel_id);
      assert.deepEqual([channel.state, channel.tenant, channel.bytes_from_client], [
        "paired",
        "owner",
        70_536,
      ]);
      pair[0][Symbol.dispose]();
      assert.equal(await pair[1].closed(), "relay_peer_closed");
      await eventually("the channel is forgotten", async () => (await relayed(stack)).length === 0);
    }
  });

  await test.step("a spent token is refused and audited, one in the URL is refused with its code", async () => {
    const grants = await grantsOf(stack);
    const [client, server] = await RelayEndpoint.pair(grants);
    using again = await RelayEndpoint.attach(grants.client);
    assert.equal(await again.closed(), "token_replayed");
    await exchange([client, server]); // whoever replays ends nothing
    const socket = await stack.connect();
    await socket.send(upgrade(stack, [], `${ATTACH_PATH}?token=${grants.client.token}`));
    const { status, body } = await socket.response();
    assert.equal(status, 400);
    assert.match(body, /relay_token_in_url/);
    const operator = await Deno.readTextFile(stack.edge.tokenPath);
    await eventually("the refusal is audited", async () => {
      const page = await fetch(`http://127.0.0.1:${stack.port}/api/admin/audit?limit=50`, {
        headers: { authorization: `Bearer ${operator.trim()}` },
      });
      return (await page.text()).includes('"channel.attach"');
    });
    client[Symbol.dispose]();
    server[Symbol.dispose]();
    assert.ok(!JSON.stringify(stack.lines).includes(grants.client.token.slice(-40)), "no token is logged");
  });

  await test.step("a token of another kind, an unknown one, and none", async () => {
    const operator = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
    for (const token of [operator, "x".repeat(200), `${operator.slice(0, -8)}AAAAAAAA`]) {
      const socket = await stack.connect();
      await socket.send(upgrade(stack, [`Authorization: Bearer ${token}`]));
      assert.equal((await socket.response()).status, 401);
    }
    const socket = await stack.connect();
    await socket.send(`GET ${ATTACH_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    assert.equal((await socket.response()).status, 426);
  });

  await test.step("connections that never attach are few, short, and keep no channel from its records", async () => {
    const grants = await grantsOf(stack, { tenant: "busy" });
    const pair = await RelayEndpoint.pair(grants);
    const sockets = await Promise.all(Array.from({ length: 40 }, () => stack.connect()));
    await Promise.all(sockets.map((socket) => socket.send(upgrade(stack))));
    const statuses = await Promise.all(sockets.map(async (socket) => (await socket.response()).status));
    assert.ok(statuses.filter((status) => status === 503).length >= 16, statuses.join());
    await exchange(pair);
    await eventually(
      "who sends no token is gone",
      async () => metricOf(await stack.metrics(), "postern_relay_connections") === 2,
    );
    for (const socket of sockets) socket[Symbol.dispose]();
    for (const one of pair) one[Symbol.dispose]();
  });

  await test.step("kill -9 of an endpoint's process is told to the other one", async () => {
    const grants = await grantsOf(stack);
    const request = upgrade(stack, [`Authorization: Bearer ${grants.client.token}`]);
    const process = new Deno.Command("bash", {
      args: ["-c", `exec 3<>/dev/tcp/127.0.0.1/${stack.port}; cat >&3 </dev/stdin; exec sleep 1000`],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const input = process.stdin.getWriter();
    await input.write(utf8(request));
    await input.close();
    using server = await RelayEndpoint.attach(grants.server);
    await server.paired();
    process.kill("SIGKILL");
    assert.equal(await server.closed(), "relay_peer_closed");
    await process.status;
  });

  await test.step("a reader that reads nothing holds one buffer, however much is sent", async () => {
    const [client, server] = await RelayEndpoint.pair(await grantsOf(stack));
    const record = new Uint8Array(65_535).fill(1);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 4_000; sent++) await client.send(record);
    })().catch(() => {});
    let before = -1;
    await eventually("the writer is held up", async () => {
      const stands = sent === before;
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return stands;
    });
    assert.ok(sent < 4_000, "262 MB are not taken in");
    assert.equal(metricOf(await stack.metrics(), "postern_relay_buffered_bytes"), 262_144);
    for (let got = 0; got < before; got++) assert.equal((await server.next()).length, record.length);
    client[Symbol.dispose]();
    server[Symbol.dispose]();
    await sending;
  });

  await test.step("taking a tenant's tokens back cuts its channels, and no others", async () => {
    const mine = await RelayEndpoint.pair(await grantsOf(stack, { tenant: "tenant-a" }));
    const others = await RelayEndpoint.pair(await grantsOf(stack));
    const waiting = await grantsOf(stack, { tenant: "tenant-a" });
    const operator = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
    const answer = await fetch(`http://127.0.0.1:${stack.port}/auth/token/revoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${operator}`, "content-type": "application/json" },
      body: JSON.stringify({ owner: "tenant-a" }),
    });
    assert.equal(answer.status, 200, await answer.text());
    assert.deepEqual(await Promise.all(mine.map((one) => one.closed())), ["token_revoked", "token_revoked"]);
    using late = await RelayEndpoint.attach(waiting.client);
    assert.equal(await late.closed(), "token_revoked");
    await exchange(others);
    for (const one of others) one[Symbol.dispose]();
  });

  await test.step("an edge that stops tells both endpoints", async () => {
    const pair = await RelayEndpoint.pair(await grantsOf(stack));
    const alone = await RelayEndpoint.attach((await grantsOf(stack)).client);
    await eventually("it waits", async () => (await relayed(stack)).length === 2);
    const codes = [alone, ...pair].map((one) => one.closed());
    await stack.edge.stop();
    assert.deepEqual(await Promise.all(codes), ["peer_draining", "peer_draining", "peer_draining"]);
  });
});

Deno.test("with several workers, halves that came in at different ones are joined all the same", async () => {
  await using stack = await startStack({ edge: { workers: "2" } });
  // Of so many pairs some have their halves in different workers, whatever the system does.
  const pairs = await Promise.all(
    Array.from({ length: 8 }, async () => RelayEndpoint.pair(await grantsOf(stack))),
  );
  await Promise.all(pairs.map(exchange));
  assert.equal((await relayed(stack)).length, 8);
  const bulk = (async () => {
    for (let sent = 0; sent < 60; sent++) await pairs[0][0].send(new Uint8Array(65_535).fill(sent));
  })();
  for (let got = 0; got < 60; got++) assert.equal((await pairs[0][1].next())[7], got);
  await bulk;
  const grants = await grantsOf(stack);
  const socket = await stack.connect();
  await socket.send(upgrade(stack, [`Authorization: Bearer ${grants.client.token}x`]));
  const { status, body } = await socket.response();
  assert.equal(status, 401);
  assert.match(utf8Decode(utf8(body)), /token_bad_signature|token_malformed/);
  for (const [client, server] of pairs.slice(1)) {
    client[Symbol.dispose]();
    assert.equal(await server.closed(), "relay_peer_closed");
  }
  const codes = pairs[0].map((one) => one.closed());
  await stack.edge.stop();
  assert.deepEqual(await Promise.all(codes), ["peer_draining", "peer_draining"]);
});
