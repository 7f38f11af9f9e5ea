import assert from "node:assert/strict";
import { openTunnel, until } from "./fake_edge.ts";
import { freePort, rawOrigin } from "./origins.ts";

Deno.test("TcpConnection carries bytes both ways, what came before the connection first", async () => {
  const origin = rawOrigin((c) => c.write(c.text.toUpperCase()));
  const tunnel = await openTunnel({ protocol: "tcp", target: origin.target });
  const stream = tunnel.edge.open("tcp").send("early");
  await stream.has("EARLY");
  stream.end();
  await until(() => origin.connections[0].ended);
  await origin.connections[0].conn.closeWrite();
  await stream.done();
  assert.equal(stream.reset, undefined);
  assert.equal(tunnel.service.bytesIn, 5);
  assert.equal(tunnel.service.bytesOut, 5);
  await until(() => tunnel.service.pool.openConnections === 0);
  await tunnel.close();
  await origin.close();
});

Deno.test("TcpConnection keeps the other direction open after a half-close", async () => {
  const origin = rawOrigin(() => {});
  const tunnel = await openTunnel({ protocol: "tcp", target: origin.target });
  const stream = tunnel.edge.open("tcp").send("question").end();
  await until(() => origin.connections[0]?.ended);
  assert.equal(stream.over, false);
  await origin.connections[0].write("answer");
  await stream.has("answer");
  await origin.connections[0].conn.closeWrite();
  assert.equal((await stream.done()).text, "answer");
  await tunnel.close();
  await origin.close();
});

Deno.test("TcpConnection closes the target when the viewer breaks off, also while connecting", async () => {
  const origin = rawOrigin(() => {});
  const tunnel = await openTunnel({ protocol: "tcp", target: origin.target });
  const stream = tunnel.edge.open("tcp").send("x");
  await until(() => origin.connections[0]?.text === "x");
  stream.stream.reset("cancelled");
  await until(() => origin.connections[0].ended);
  const early = tunnel.edge.open("tcp");
  await until(() => tunnel.service.requests === 2);
  early.stream.reset("cancelled");
  await until(() => tunnel.service.pool.openConnections === 0);
  await tunnel.close();
  await origin.close();
});

Deno.test("TcpConnection answers origin_refused when nothing listens", async () => {
  const tunnel = await openTunnel({ protocol: "tcp", target: { host: "127.0.0.1", port: freePort() } });
  const stream = tunnel.edge.open("tcp");
  for (let step = 0; step < 3; step++) {
    await until(() => (tunnel.clock.nextAtMs ?? Infinity) - tunnel.clock.now() <= 160);
    await tunnel.clock.advanceAsync(160);
  }
  assert.equal((await stream.done()).reset, "origin_refused");
  await tunnel.close();
});
