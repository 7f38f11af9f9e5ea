import assert from "node:assert/strict";
import { openTunnel, until } from "./fake_edge.ts";
import { closeQuietly, freePort, rawOrigin } from "./origins.ts";

const get = (path = "/", more = "") => `GET ${path} HTTP/1.1\r\nHost: demo.example\r\n${more}\r\n`;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Whether a request with this many bytes of body has arrived in full. */
function whole(text: string, bodyBytes = 0): boolean {
  const at = text.lastIndexOf("\r\n\r\n");
  return at >= 0 && text.length - at - 4 >= bodyBytes;
}

Deno.test("HttpExchange carries a GET and its answer, with the target's own Host", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  const tunnel = await openTunnel({ target: origin.target });
  const answer = await tunnel.edge.request(get("/a?b=c")).done();
  assert.equal(answer.text, OK);
  assert.equal(
    origin.connections[0].text,
    `GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:${origin.target.port}\r\n\r\n`,
  );
  assert.equal(tunnel.service.requests, 1);
  assert.equal(tunnel.service.bytesOut, 2);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange keeps the viewer's Host when told so, or sends a configured one", async () => {
  const origin = rawOrigin((c) => c.write(OK));
  for (
    const [hostHeader, expected] of [["original", "demo.example"], ["app.internal", "app.internal"]] as const
  ) {
    const tunnel = await openTunnel({ target: origin.target, hostHeader });
    await tunnel.edge.request(get()).done();
    assert.match(origin.connections.at(-1)!.text, new RegExp(`\r\nHost: ${expected}\r\n`));
    await tunnel.close();
  }
  await origin.close();
});

Deno.test("HttpExchange carries 1 MiB both ways, with a declared length", async () => {
  const body = new Uint8Array(1_048_576).map((_, i) => i * 31 >> 3);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const bytes = await request.bytes();
    return new Response(bytes, { headers: { "content-length": String(bytes.length) } });
  });
  const tunnel = await openTunnel({ target: { host: "127.0.0.1", port: server.addr.port } });
  const answer = await tunnel.edge.request(
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`,
    body,
  ).done();
  const at = answer.bytes - body.length;
  assert.deepEqual(answer.received.subarray(at), body);
  assert.equal(tunnel.service.bytesIn, body.length);
  await tunnel.close();
  await server.shutdown();
});

Deno.test("HttpExchange frames a body of unknown length in chunks, with trailers, and takes the same apart", async () => {
  const origin = rawOrigin((c) => {
    if (!c.text.includes("0\r\n")) return;
    return c.write(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
        "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
    );
  });
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.open("http");
  stream.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-In\r\n\r\nhello");
  await until(() => origin.connections[0]?.text.includes("hello"));
  stream.send("world!").end("X-In: 1\r\n");
  await stream.done();
  assert.match(origin.connections[0].text, /\r\n\r\n5\r\nhello\r\n6\r\nworld!\r\n0\r\nX-In: 1\r\n\r\n$/);
  assert.equal(
    stream.text,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\nabcde",
  );
  assert.equal(stream.trailers, "X-Sum: 5\r\n");
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange ends HEAD, 204 and 304 with their heads and keeps the connection", async () => {
  const heads = [
    "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
  ];
  let at = 0;
  const origin = rawOrigin((c) => c.write(heads[at++]));
  const tunnel = await openTunnel({ target: origin.target });
  for (const method of ["HEAD", "GET", "GET"]) {
    const answer = await tunnel.edge.request(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`).done();
    assert.equal(answer.text, heads[at - 1]);
  }
  assert.equal(origin.connections.length, 1);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange passes interim responses on before the final one", async () => {
  const text = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
  const origin = rawOrigin(async (c) => {
    if (c.text.endsWith("\r\n\r\n")) await c.write(text);
    else await c.write(OK);
  });
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.open("http");
  stream.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  await stream.has("100 Continue");
  stream.send("body").end();
  await stream.done();
  assert.equal(stream.text, text + OK);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange joins an upgraded connection both ways, with half-close", async () => {
  const origin = rawOrigin(async (c) => {
    if (c.text.endsWith("\r\n\r\n")) {
      await c.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhi ");
    } else await c.write(c.text.slice(c.text.indexOf("\r\n\r\n") + 4).toUpperCase());
  });
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.open("http");
  stream.send("GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
  await stream.has("hi ");
  stream.send("ping");
  await stream.has("PING");
  stream.end();
  await until(() => origin.connections[0].ended);
  await origin.connections[0].write("bye");
  await origin.connections[0].conn.closeWrite();
  await stream.done();
  assert.match(stream.text, /\r\n\r\nhi PINGbye$/);
  assert.equal(stream.reset, undefined);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange answers a declined upgrade like any request", async () => {
  const origin = rawOrigin((c) => c.write("HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n"));
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.open("http");
  stream.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await stream.done();
  assert.match(stream.text, /^HTTP\/1.1 426/);
  stream.end();
  await until(() => origin.connections[0].ended);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange refuses a switch of protocols that nobody asked for with origin_protocol", async () => {
  const origin = rawOrigin((c) => c.write("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"));
  const tunnel = await openTunnel({ target: origin.target });
  assert.equal((await tunnel.edge.request(get()).done()).reset, "origin_protocol");
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange tells origin_protocol for what is not HTTP and origin_reset for a broken body", async () => {
  const answers = ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"];
  let at = 0;
  const origin = rawOrigin(async (c) => {
    await c.write(answers[at++]);
    closeQuietly(c.conn);
  });
  const tunnel = await openTunnel({ target: origin.target });
  assert.equal((await tunnel.edge.request(get()).done()).reset, "origin_protocol");
  const broken = await tunnel.edge.request(get()).done();
  assert.equal(broken.reset, "origin_reset");
  assert.match(broken.text, /short$/);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange tries a refusing target four times within 300 ms before origin_refused", async () => {
  const tunnel = await openTunnel({ target: { host: "127.0.0.1", port: freePort() } });
  const stream = tunnel.edge.request(get());
  for (let step = 0; step < 3; step++) {
    await until(() => (tunnel.clock.nextAtMs ?? Infinity) - tunnel.clock.now() <= 160);
    assert.equal(stream.reset, undefined);
    await tunnel.clock.advanceAsync(160);
  }
  assert.equal((await stream.done()).reset, "origin_refused");
  await tunnel.close();
});

Deno.test("HttpExchange survives an origin that comes back while it is being tried", async () => {
  const port = freePort();
  const tunnel = await openTunnel({ target: { host: "127.0.0.1", port } });
  const stream = tunnel.edge.request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "early");
  await until(() => (tunnel.clock.nextAtMs ?? Infinity) - tunnel.clock.now() <= 40);
  const origin = rawOrigin((c) => whole(c.text, 5) ? c.write(OK) : undefined, port);
  await tunnel.clock.advanceAsync(40);
  assert.equal((await stream.done()).text, OK);
  assert.match(origin.connections[0].text, /early$/);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange gives up on a slow origin after the response timeout with origin_timeout", async () => {
  const origin = rawOrigin(() => {});
  const tunnel = await openTunnel({ target: origin.target }, { responseMs: 5_000 });
  const stream = tunnel.edge.request(get());
  await until(() => origin.connections[0]?.text.length > 0);
  await tunnel.clock.advanceAsync(4_900);
  assert.equal(stream.reset, undefined);
  await tunnel.clock.advanceAsync(600);
  assert.equal((await stream.done()).reset, "origin_timeout");
  const [shown] = tunnel.service.recent.list(0);
  assert.deepEqual([shown.method, shown.path, shown.status], ["GET", "/", 504]);
  assert.ok(shown.ms >= 5_000);
  await until(() => origin.connections[0].ended);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange does not take a slow upload for a slow origin", async () => {
  const origin = rawOrigin((c) => whole(c.text, 4) ? c.write(OK) : undefined);
  const tunnel = await openTunnel({ target: origin.target }, { responseMs: 5_000 });
  const stream = tunnel.edge.open("http").send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
  await until(() => origin.connections[0]?.text.endsWith("ab"));
  for (let i = 0; i < 4; i++) await tunnel.clock.advanceAsync(4_000);
  assert.equal(stream.reset, undefined);
  stream.send("cd").end();
  assert.equal((await stream.done()).text, OK);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange closes the origin connection when the viewer goes away", async () => {
  const origin = rawOrigin((c) => c.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart"));
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.request(get());
  await stream.has("part");
  stream.stream.reset("cancelled");
  await until(() => origin.connections[0].ended, "the end of the origin connection");
  assert.equal(tunnel.service.pool.openConnections, 0);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange refuses a malformed request, and bodies that break their promise", async () => {
  const origin = rawOrigin(() => {});
  const tunnel = await openTunnel({ target: origin.target });
  const broken = [
    tunnel.edge.request("GET / HTTP/1.1\r\n\r\n"),
    tunnel.edge.request("GET / HTTP/1.1\r\nHost: x"),
    tunnel.edge.request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", "abc"),
    tunnel.edge.request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "abc"),
    tunnel.edge.request(get(), "no body was announced"),
  ];
  for (const stream of broken) assert.equal((await stream.done()).reset, "request_refused");
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange shows a request that the origin breaks off once: by its status, or as what it lacks one for", async () => {
  const origin = rawOrigin(async (c) => {
    if (c.text.includes("/later")) await c.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
    if (c.text.includes("/garbage")) await c.write("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    closeQuietly(c.conn);
  });
  const tunnel = await openTunnel({ target: origin.target });
  for (
    const [path, reset] of [["/at-once", "origin_reset"], ["/garbage", "origin_protocol"], [
      "/later",
      "origin_reset",
    ]]
  ) {
    assert.equal((await tunnel.edge.request(get(path)).done()).reset, reset, path);
  }
  assert.deepEqual(
    tunnel.service.recent.list(0).map(({ path, status }) => [path, status]),
    [["/later", 200], ["/garbage", 502], ["/at-once", 502]],
  );
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange answers early and discards the rest of the upload", async () => {
  const origin = rawOrigin((c) => c.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"));
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.open("http");
  stream.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n").send("first");
  await stream.done();
  assert.equal(stream.reset, undefined);
  assert.match(stream.text, /^HTTP\/1.1 413/);
  let taken = false;
  stream.onTaken = () => taken = true;
  stream.send(new Uint8Array(2_000_000)); // eight windows: credit is returned though nobody reads
  await until(() => taken, "credit for discarded bytes");
  stream.stream.reset("cancelled");
  await until(() => origin.connections[0].ended);
  await tunnel.close();
  await origin.close();
});

Deno.test("HttpExchange holds the origin back while the viewer does not read", async () => {
  const chunk = "x".repeat(65_536);
  let written = 0;
  const origin = rawOrigin(async (c) => {
    await c.write(`HTTP/1.1 200 OK\r\nContent-Length: ${512 * chunk.length}\r\n\r\n`);
    for (let i = 0; i < 512; i++) {
      await c.write(chunk);
      written++;
    }
  });
  const tunnel = await openTunnel({ target: origin.target });
  const stream = tunnel.edge.open("http");
  stream.reading = false;
  stream.send(get()).end();
  await until(() => stream.bytes >= 262_144, "a full window");
  for (let before = -1, still = 0; still < 50; still++) {
    if (written !== before) still = 0;
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.equal(stream.bytes, 262_144);
  assert.ok(written < 512, `${written} of 512 were taken from the origin`);
  stream.resume();
  await stream.done();
  assert.ok(stream.bytes > 512 * 65_536);
  await tunnel.close();
  await origin.close();
});

Deno.test("Service answers unknown_service for another number or kind", async () => {
  const tunnel = await openTunnel({ target: { host: "127.0.0.1", port: 9 } });
  assert.equal((await tunnel.edge.open("http", 3).done()).reset, "unknown_service");
  assert.equal((await tunnel.edge.open("tcp").done()).reset, "unknown_service");
  await tunnel.close();
});
