import assert from "node:assert/strict";
import { OriginPool } from "../../agent/origin_pool.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { Deadlines, Slabs } from "../../src/driver/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { openTunnel, until } from "./fake_edge.ts";
import { closeQuietly, rawOrigin } from "./origins.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Deno.test("OriginPool uses a connection again when request and response were whole", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target });
  for (let i = 0; i < 5; i++) assert.equal((await tunnel.edge.request(GET).done()).text, OK);
  assert.equal(origin.connections.length, 1);
  assert.equal(tunnel.service.pool.idleConnections, 1);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool drops a connection after Connection: close, HTTP/1.0, or a body up to the end", async () => {
  const answers = [
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n\r\nok",
  ];
  let at = 0;
  const origin = rawOrigin(async (c) => {
    await c.write(answers[at++]);
    if (at === 3) closeQuietly(c.conn);
  });
  const tunnel = await openTunnel({ target: origin.target });
  for (const answer of answers) assert.equal((await tunnel.edge.request(GET).done()).text, answer);
  await until(() => tunnel.service.pool.openConnections === 0);
  assert.equal(origin.connections.length, 3);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool asks for close and keeps nothing when keep-alive is off", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target }, { idleKeepAliveMs: 0 });
  await tunnel.edge.request(GET).done();
  await until(() => origin.connections[0].ended);
  assert.match(origin.connections[0].text, /\r\nConnection: close\r\n/);
  assert.equal(tunnel.service.pool.openConnections, 0);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool drops idle connections that the origin closes or writes to", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target });
  for (
    const disturb of [(at: number) => origin.connections[at].write("HTTP/1.1 408 Late\r\n\r\n"), closeAt]
  ) {
    await tunnel.edge.request(GET).done();
    await until(() => tunnel.service.pool.idleConnections === 1);
    await disturb(origin.connections.length - 1);
    await until(() => tunnel.service.pool.openConnections === 0);
  }
  function closeAt(at: number) {
    closeQuietly(origin.connections[at].conn);
  }
  assert.equal((await tunnel.edge.request(GET).done()).text, OK);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool closes idle connections after the keep-alive time", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target }, { idleKeepAliveMs: 5_000 });
  await tunnel.edge.request(GET).done();
  await until(() => tunnel.service.pool.idleConnections === 1);
  await tunnel.clock.advanceAsync(4_900);
  assert.equal(tunnel.service.pool.idleConnections, 1);
  await tunnel.clock.advanceAsync(600);
  assert.equal(tunnel.service.pool.openConnections, 0);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool keeps at most maxIdleConnections", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target }, { maxIdleConnections: 2 });
  await Promise.all([1, 2, 3, 4].map(() => tunnel.edge.request(GET).done()));
  await until(() => tunnel.service.pool.openConnections === 2);
  assert.equal(origin.connections.length, 4);
  await tunnel.close();
  await origin.close();
});

/** Answers the first request of its first connection, then takes one more request there and closes without a word. */
function staleOrigin() {
  return rawOrigin(async (c, index) => {
    if (index === 0 && c.text.length > GET.length * 2) return closeQuietly(c.conn);
    await c.write(OK);
  });
}

Deno.test("HttpExchange repeats a GET on a fresh connection when a pooled one was dead", async () => {
  const origin = staleOrigin();
  const tunnel = await openTunnel({ target: origin.target });
  await tunnel.edge.request(GET).done();
  const second = await tunnel.edge.request(GET).done();
  assert.equal(second.text, OK);
  assert.equal(origin.connections.length, 2);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange does not repeat a POST that may have been seen", async () => {
  const origin = staleOrigin();
  const tunnel = await openTunnel({ target: origin.target });
  await tunnel.edge.request(GET).done();
  const second = await tunnel.edge.request(
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
    "x".repeat(20),
  )
    .done();
  assert.equal(second.reset, "origin_reset");
  assert.equal(origin.connections.length, 1);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange repeats once only: an origin that always closes is origin_reset", async () => {
  const origin = rawOrigin((c) => closeQuietly(c.conn));
  const tunnel = await openTunnel({ target: origin.target });
  assert.equal((await tunnel.edge.request(GET).done()).reset, "origin_reset");
  assert.equal(origin.connections.length, 1);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool lets requests wait for a connection when maxConnections is reached", async () => {
  const held: (() => void)[] = [];
  const origin = rawOrigin((c) => void held.push(() => c.write(OK)));
  const tunnel = await openTunnel({ target: origin.target }, { maxConnections: 1, maxIdleConnections: 1 });
  const first = tunnel.edge.request(GET);
  await until(() => held.length === 1);
  const second = tunnel.edge.request(GET);
  held.shift()!();
  await first.done();
  await until(() => held.length === 1);
  held.shift()!();
  assert.equal((await second.done()).text, OK);
  assert.equal(origin.connections.length, 1);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool answers stream_limit when no connection comes free within the connect timeout", async () => {
  const origin = rawOrigin(() => {});
  const tunnel = await openTunnel({ target: origin.target }, {
    maxConnections: 1,
    maxIdleConnections: 1,
    connectMs: 1_000,
  });
  const first = tunnel.edge.request(GET);
  await until(() => origin.connections[0]?.text.length > 0);
  const second = tunnel.edge.request(GET);
  await until(() => tunnel.service.requests === 2);
  await tunnel.clock.advanceAsync(1_300);
  assert.equal((await second.done()).reset, "stream_limit");
  assert.equal(first.over, false);
  // A waiting request whose viewer goes makes no room and takes none.
  const third = tunnel.edge.request(GET);
  await until(() => tunnel.service.requests === 3);
  third.stream.reset("cancelled");
  first.stream.reset("cancelled");
  await until(() => tunnel.service.pool.openConnections === 0);
  await tunnel.close();
  await origin.close();
});

Deno.test("OriginPool gives up on a target that does not answer after origin.connect, with origin_timeout", async () => {
  const clock = new VirtualClock();
  const aborted: boolean[] = [];
  const pool = new OriginPool({
    target: { host: "192.0.2.1", port: 80 },
    limits: { ...agentDefaults({}, [{}]).origin, connectMs: 5_000 },
    clock,
    deadlines: new Deadlines(clock),
    slabs: new Slabs(),
    log: () => {},
    network: {
      resolve: (name) => Promise.resolve([name]),
      connect: ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            aborted.push(true);
            reject(signal.reason);
          })
        ),
      startTls: () => Promise.reject(new Error("not asked")),
    },
  });
  let outcome: unknown;
  pool.acquire(new AbortController().signal).then((result) => outcome = result);
  await clock.advanceAsync(4_999);
  assert.equal(outcome, undefined);
  await clock.advanceAsync(1);
  assert.equal(outcome, "origin_timeout");
  assert.deepEqual(aborted, [true]);
  assert.equal(pool.openConnections, 0);
});

Deno.test("OriginPool.takeIdle() gives no connection on which something came unasked, told of or not", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target });
  await tunnel.edge.request(GET).done();
  const { pool } = tunnel.service;
  const connection = pool.takeIdle()!;
  pool.giveBack(connection);
  assert.equal(pool.idleConnections, 1);
  await origin.connections[0].write("HTTP/1.1 200 OK\r\n");
  await until(() => connection.reader.available > 0 || connection.isClosed);
  assert.equal(pool.takeIdle(), undefined);
  assert.equal(pool.openConnections, 0);
  await tunnel.close();
  await origin.close();
});
