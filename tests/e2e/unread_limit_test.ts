import assert from "node:assert/strict";
import { Http2Client } from "../support/http2_client.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, metricOf, startStack } from "../support/stack.ts";

const MiB = 1024 * 1024;

Deno.test("an edge full of unread responses refuses requests with unread_limit, and serves again when they are gone", async () => {
  const big = new Uint8Array(64 * MiB);
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => new Response(new URL(request.url).pathname === "/big" ? big : "small"),
  );
  await using stack = await startStack({
    edge: { "limits.max_unread_bytes": "4MiB" },
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  await stack.addAgent([{ name: "other", target: `127.0.0.1:${origin.addr.port}` }]);
  const ask = async () => {
    const response = await stack.fetch("web");
    return { status: response.status, text: await response.text() };
  };
  const stalled = await Promise.all(Array.from({ length: 24 }, async () => {
    const viewer = await RawClient.connect(stack.port);
    await viewer.send(`GET /big HTTP/1.1\r\nHost: ${stack.host("web")}\r\n\r\n`);
    return viewer;
  }));
  let answer = await ask();
  for (let tries = 0; answer.status === 200 && tries < 500; tries++) answer = await ask();
  assert.equal(answer.status, 503);
  assert.match(answer.text, /unread_limit/);
  const other = await stack.fetch("other");
  assert.deepEqual([other.status, await other.text()], [200, "small"], "another service is no worse for it");
  for (const viewer of stalled) viewer.conn.close();
  for (let tries = 0; answer.status !== 200 && tries < 500; tries++) answer = await ask();
  assert.deepEqual(answer, { status: 200, text: "small" });
});

Deno.test("what viewers never took of whole responses is given back when they go, or are given up", async () => {
  const small = new Uint8Array(60_000);
  const large = new Uint8Array(8 * MiB);
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => new Response(new URL(request.url).pathname === "/large" ? large : small),
  );
  await using stack = await startStack({
    edge: { h2c_from: "127.0.0.0/8", "timeouts.viewer_stall": "1s" },
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const unread = async () => metricOf(await stack.metrics(), "postern_unread_bytes");
  const ask = (client: Http2Client) =>
    client.request([[":method", "GET"], [":scheme", "http"], [":authority", stack.host("web")], [
      ":path",
      "/",
    ]]);
  using resetting = await Http2Client.connect(stack.port, 0);
  const streams = [await ask(resetting), await ask(resetting), await ask(resetting)];
  await eventually("three whole responses wait", async () => await unread() >= 3 * small.length);
  for (const stream of streams) await resetting.reset(stream);
  await eventually("resets give them back", async () => await unread() === 0);
  using stalling = await Http2Client.connect(stack.port, 0);
  const stalled = await ask(stalling);
  await stalling.over(stalled);
  await eventually("so does a stall", async () => await unread() === 0);
  using viewer = await RawClient.connect(stack.port);
  await viewer.send(`GET /large HTTP/1.1\r\nHost: ${stack.host("web")}\r\n\r\n`);
  await eventually("a response waits", async () => await unread() > 0);
  await eventually("so does a stall over HTTP/1.1", async () => await unread() === 0);
});

Deno.test("bodies that wait for a service over many HTTP/2 connections are bounded together: unread_limit", async () => {
  await using stack = await startStack({
    edge: { h2c_from: "127.0.0.0/8", "limits.max_unread_bytes": "4MiB", grace: "10s" },
    services: [{ name: "web", target: "127.0.0.1:1" }],
  });
  await stack.agent.stop();
  const body = new Uint8Array(60_000);
  const head = [[":method", "POST"], [":scheme", "http"], [":authority", stack.host("web")], [":path", "/"]];
  const clients: Http2Client[] = [];
  try {
    for (let n = 0; n < 6; n++) {
      const client = await Http2Client.connect(stack.port);
      clients.push(client);
      for (let m = 0; m < 16; m++) {
        await client.data(await client.request(head as [string, string][], false), body, n % 2 === 0);
      }
    }
    const series = 'postern_refusals_total{code="unread_limit",layer="http"}';
    const cut = async () => metricOf(await stack.metrics(), series);
    await eventually("what is above is cut", async () => await cut() >= 96 - 4 * MiB / body.length);
    assert.ok(await cut() < 40, "and no more");
    assert.ok(clients.every((client) => !client.closed));
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});
