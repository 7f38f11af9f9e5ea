import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { H2Error, PREFACE } from "../../src/http2/mod.ts";
import { block, type Fields, frame, FrameType } from "../http2/peer.ts";
import { Http2Client } from "../support/http2_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import type { RawClient } from "../support/raw_client.ts";
import { eventually, metricOf, type Settings, type Stack, startStack } from "../support/stack.ts";

function start(target: string, edge: Settings = {}): Promise<Stack> {
  return startStack({ edge: { h2c_from: "127.0.0.0/8", ...edge }, services: [{ name: "web", target }] });
}

function fields(stack: Stack, method: string, path = "/", ...more: Fields): Fields {
  return [
    [":method", method],
    [":scheme", "http"],
    [":authority", stack.host("web")],
    [":path", path],
    ...more,
  ];
}

/** An origin that answers each connection's request with these bytes, once it has read its head. */
function answering(text: string): RawOrigin {
  return RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send(text);
    await socket.rest().catch(() => {});
  });
}

Deno.test("trailers of a response and interim responses come over HTTP/2 as the origin sent them", async () => {
  await using origin = answering(
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" +
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n" +
      "5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n",
  );
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const { blocks, body, ended } = await client.over(await client.request(fields(stack, "GET")));
  assert.deepEqual([blocks.length, body, ended], [3, "hello", true]);
  assert.deepEqual(blocks[0], { ":status": "103", "link": "</a.css>; rel=preload" });
  assert.deepEqual([blocks[1][":status"], blocks[1]["trailer"], blocks[1]["x-hop"]], [
    "200",
    "X-Sum",
    undefined,
  ]);
  assert.deepEqual([blocks[1]["connection"], blocks[1]["transfer-encoding"]], [undefined, undefined]);
  assert.deepEqual(blocks[2], { "x-sum": "9" });
});

Deno.test("trailers of a request reach the origin behind a chunked body", async () => {
  let got = "";
  await using origin = RawOrigin.start(async (socket) => {
    got = await socket.through("0\r\nx-sum: 9\r\n\r\n");
    await socket.send("HTTP/1.1 204 No Content\r\n\r\n");
    await socket.rest().catch(() => {});
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const stream = await client.request(fields(stack, "POST", "/", ["trailer", "x-sum"]), false);
  await client.data(stream, "hello");
  await client.trailers(stream, [["x-sum", "9"], ["authorization", "late"]]);
  const { blocks } = await client.over(stream);
  assert.equal(blocks[0][":status"], "204");
  assert.match(got, /transfer-encoding: chunked/i);
  assert.doesNotMatch(got, /late/);
});

Deno.test("Expect: 100-continue is the origin's to answer", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 100 Continue\r\n\r\n");
    await socket.through("hello");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    await socket.rest().catch(() => {});
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const more: Fields = [["expect", "100-continue"], ["content-length", "5"]];
  const stream = await client.request(fields(stack, "POST", "/", ...more), false);
  const { blocks } = await client.until(stream, "an interim head", (state) => state.blocks.length > 0);
  assert.equal(blocks[0][":status"], "100");
  await client.data(stream, "hello", true);
  await client.over(stream);
  assert.equal(blocks[1][":status"], "200");
});

Deno.test("an answer before the end of the body is whole, and the rest is refused without error", async () => {
  await using origin = answering("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const stream = await client.request(fields(stack, "POST"), false);
  await client.data(stream, "a".repeat(1_000));
  const state = await client.until(stream, "reset", ({ reset }) => reset !== undefined);
  assert.deepEqual([state.blocks[0][":status"], state.body, state.ended, state.reset], [
    "413",
    "no",
    true,
    H2Error.noError,
  ]);
});

Deno.test("an event stream passes event by event", async () => {
  let go = () => {};
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    await new Promise<void>((resolve) => go = resolve);
    await socket.send("data: 2\n\n");
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const stream = await client.request(fields(stack, "GET"));
  const state = await client.until(stream, "the first event", ({ body }) => body === "data: 1\n\n");
  go();
  await client.over(stream);
  assert.deepEqual([state.body, state.ended], ["data: 1\n\ndata: 2\n\n", true]);
});

Deno.test("RST_STREAM ends the request at the origin, and other streams go on", async () => {
  let gone = 0;
  await using origin = RawOrigin.start(async (socket) => {
    const head = await socket.through("\r\n\r\n");
    if (head.includes("/fast")) await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await socket.rest().catch(() => {});
    if (head.includes("/slow")) gone++;
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const slow = await client.request(fields(stack, "GET", "/slow"));
  const upload = await client.request(fields(stack, "POST", "/slow"), false);
  await client.data(upload, "part");
  await eventually("both are at the origin", () => origin.connections === 2);
  await client.reset(slow);
  await client.reset(upload);
  await eventually("the origin has lost both", () => gone === 2);
  assert.equal((await client.over(await client.request(fields(stack, "GET", "/fast")))).body, "ok");
});

Deno.test("an origin that breaks off in its body resets the stream, and the connection goes on", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart");
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  for (let at = 0; at < 2; at++) {
    const state = await client.over(await client.request(fields(stack, "GET")));
    assert.deepEqual([state.blocks[0][":status"], state.ended, state.reset], [
      "200",
      false,
      H2Error.internal,
    ]);
  }
});

Deno.test("a reader without window holds back the origin and no other stream", async () => {
  let written = 0;
  await using origin = RawOrigin.start(async (socket) => {
    while (!(await socket.through("\r\n\r\n")).includes("/large")) {
      await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n");
    for (const part = "x".repeat(65_536); written < 268_435_456; written += part.length) {
      await socket.send(part);
    }
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port, 1_000);
  const large = await client.request(fields(stack, "GET", "/large"));
  await client.until(large, "its window is full", ({ body }) => body.length === 1_000);
  for (let at = 0; at < 5; at++) {
    assert.equal((await client.over(await client.request(fields(stack, "GET", "/small")))).body, "ok");
  }
  let before = -1;
  await eventually("the origin waits", async () => {
    const stopped = written === before;
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return stopped;
  });
  assert.ok(written < 64 * 1_048_576, `${written} bytes were taken from the origin`);
  await client.grant(large, 5_000);
  await client.until(large, "more has come", ({ body }) => body.length === 6_000);
});

Deno.test("a body that is not as long as Content-Length says is 400 h2_body_length, and ends nowhere as a whole", async () => {
  const got: string[] = [];
  await using origin = RawOrigin.start(async (socket) => {
    got.push(await socket.rest());
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  for (const body of ["hi", "hello, world"]) {
    const stream = await client.request(fields(stack, "POST", "/", ["content-length", "5"]), false);
    await eventually("the origin has its head", () => origin.connections > got.length);
    await client.data(stream, body, true);
    const state = await client.over(stream);
    assert.deepEqual([state.blocks[0][":status"], JSON.parse(state.body).code], ["400", "h2_body_length"]);
    await eventually("the origin has lost it", () => got.length === origin.connections);
  }
  assert.ok(got.every((text) => !text.endsWith("hello")), got.join("|"));
});

Deno.test("what HTTP/2 does not allow in a request is 400 with its code, and the connection goes on", async () => {
  await using origin = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const cases: [Fields, string, string][] = [
    [fields(stack, "GET", "/", ["connection", "close"]), "400", "h2_connection_field"],
    [fields(stack, "GET", "/", ["X-Upper", "a"]), "400", "http_bad_header_name"],
    [fields(stack, "GET", "/", [":path", "/b"]), "400", "h2_bad_pseudo_header"],
    [fields(stack, "GET", "/", ["host", "other.localhost"]), "400", "http_host_mismatch"],
    [fields(stack, "GET", "/", ["a", "b\r\nc: d"]), "400", "http_bad_header_value"],
    [[[":method", "CONNECT"], [":authority", "a:1"]], "501", "http_connect_refused"],
  ];
  for (const [request, status, code] of cases) {
    const state = await client.over(await client.request(request));
    assert.deepEqual([state.blocks[0][":status"], JSON.parse(state.body).code], [status, code]);
  }
  assert.equal((await client.over(await client.request(fields(stack, "GET")))).body, "ok");
});

Deno.test("a flood ends the connection with its code, in the GOAWAY and in the metrics", async () => {
  await using origin = RawOrigin.silent();
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  for (let at = 0; at < 600 && !client.closed; at++) {
    const stream = await client.request(fields(stack, "GET")).catch(() => 0);
    await client.reset(stream).catch(() => {});
  }
  await eventually("GOAWAY", () => client.goaways.length > 0);
  assert.deepEqual([client.goaways[0].number, client.goaways[0].debug], [
    H2Error.enhanceYourCalm,
    "h2_rapid_reset",
  ]);
  await eventually("closed", () => client.closed);
  const series = 'postern_refusals_total{code="h2_rapid_reset",layer="http"}';
  assert.equal(metricOf(await stack.metrics(), series), 1);
});

Deno.test("connections that do nothing, frames that do not end and streams that take nothing are given up", async () => {
  await using origin = answering(`HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${"x".repeat(5_000)}`);
  await using stack = await start(origin.target, {
    "timeouts.peek": "300ms",
    "timeouts.request_head": "300ms",
    "timeouts.idle_keep_alive": "300ms",
    "timeouts.viewer_stall": "1s",
  });
  using idle = await Http2Client.connect(stack.port);
  await eventually("the idle one is told and closed", () => idle.closed && idle.goaways[0]?.number === 0);
  using slow = await Http2Client.connect(stack.port);
  await slow.write(Uint8Array.of(0, 0, 20, 1));
  await eventually("the slow one is told", () => slow.goaways[0]?.debug === "head_timeout");
  using stalled = await Http2Client.connect(stack.port, 10);
  const stream = await stalled.request(fields(stack, "GET"));
  const { reset, body } = await stalled.over(stream);
  assert.deepEqual([reset, body.length], [H2Error.cancel, 10]);
});

Deno.test("a WebSocket by extended CONNECT reaches an origin that speaks HTTP/1.1", async () => {
  await using origin = RawOrigin.start(async (socket: RawClient) => {
    const head = await socket.through("\r\n\r\n");
    const key = /sec-websocket-key: (\S+)/i.exec(head)![1];
    const sum = await crypto.subtle.digest(
      "SHA-1",
      new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`),
    );
    if (head.includes("/declined")) {
      return void await socket.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    }
    if (head.includes("/ignored")) {
      return void await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    const accept = head.includes("/wrong") ? "wrong" : new Uint8Array(sum).toBase64();
    await socket.send(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello`,
    );
    await socket.through("ping");
    await socket.send("pong");
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const connect = (path: string): Fields => [
    [":protocol", "websocket"],
    ...fields(stack, "CONNECT", path),
    ["sec-websocket-version", "13"],
    ["sec-websocket-protocol", "chat"],
  ];
  const stream = await client.request(connect("/ws"), false);
  const state = await client.until(stream, "hello", ({ body }) => body === "hello");
  assert.deepEqual(state.blocks, [{ ":status": "200", "sec-websocket-protocol": "chat" }]);
  await client.data(stream, "ping", true);
  await client.over(stream);
  assert.deepEqual([state.body, state.ended], ["hellopong", true]);
  for (const [path, status] of [["/declined", "403"], ["/ignored", "502"], ["/wrong", "502"]] as const) {
    const other = await client.request(connect(path), false);
    const { blocks } = await client.over(other);
    assert.equal(blocks[0]?.[":status"], status, path);
  }
});

Deno.test("an edge that stops asks its viewers to leave by GOAWAY and loses none of their requests", async () => {
  let answer = () => {};
  const asked = new Promise<void>((resolve) => answer = resolve);
  let go = () => {};
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    answer();
    await new Promise<void>((resolve) => go = resolve);
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    await socket.rest().catch(() => {});
  });
  await using stack = await start(origin.target, { drain_timeout: "10s" });
  using client = await Http2Client.connect(stack.port);
  const stream = await client.request(fields(stack, "GET"));
  await asked;
  const stopped = stack.edge.stop();
  await eventually("both GOAWAYs", () => client.goaways.length === 2);
  assert.deepEqual(client.goaways.map(({ lastStream, number }) => [lastStream, number]), [[0x7fff_ffff, 0], [
    1,
    0,
  ]]);
  go();
  const { body, ended } = await client.over(stream);
  assert.deepEqual([body, ended], ["late", true]);
  await eventually("closed", () => client.closed);
  await stopped;
});

Deno.test("a viewer that reads nothing is not read either: its answers do not pile up", async () => {
  await using stack = await startStack({
    edge: { "h2c_from": "127.0.0.0/8", "limits.requests_per_connection": "1000000" },
  });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: stack.port });
  const request = (stream: number) =>
    frame(FrameType.headers, 0x5, stream, block(fields(stack, "HEAD", "/", ["connection", "close"])));
  const send = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  };
  await send(new Uint8Array([...utf8(PREFACE), ...frame(FrameType.settings, 0, 0)]));
  let sent = 0;
  let blocked = false;
  while (!blocked && sent < 200_000) {
    const batch: number[] = [];
    for (let at = 0; at < 100; at++) batch.push(...request(2 * sent++ + 1));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(true), 2_000));
    const sending = send(Uint8Array.from(batch)).then(() => false);
    sending.catch(() => {});
    blocked = await Promise.race([sending, late]);
    clearTimeout(timer);
  }
  conn.close();
  assert.ok(blocked, `${sent} requests were taken`);
});

Deno.test("under load an edge that stops answers every request that came before its viewers knew", async () => {
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("answered"),
  );
  await using stack = await start(`127.0.0.1:${origin.addr.port}`, { drain_timeout: "10s" });
  const clients = await Promise.all(Array.from({ length: 4 }, () => Http2Client.connect(stack.port)));
  let stopped: Promise<void> | undefined;
  let answered = 0;
  const failures: unknown[] = [];
  await Promise.all(clients.map(async (client) => {
    while (client.goaways.length === 0) {
      const streams = await Promise.all(
        Array.from({ length: 8 }, () => client.request(fields(stack, "GET"))),
      );
      const states = await Promise.all(streams.map((stream) => client.over(stream)));
      for (const state of states) {
        if (state.body === "answered" && state.ended) answered++;
        else failures.push(state);
      }
      if (answered > 200) stopped ??= stack.edge.stop();
    }
  }));
  assert.deepEqual(failures, []);
  await stopped;
  for (const client of clients) client[Symbol.dispose]();
});

Deno.test("a small answer that breaks off is 502 origin_reset as a whole, and none of it is seen", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
  });
  await using stack = await start(origin.target);
  using client = await Http2Client.connect(stack.port);
  const { blocks, body, ended } = await client.over(await client.request(fields(stack, "GET")));
  assert.deepEqual([blocks.length, blocks[0][":status"], JSON.parse(body).code, ended], [
    1,
    "502",
    "origin_reset",
    true,
  ]);
});

Deno.test("one address has so many HTTP/2 requests under way over all its connections, behind a proxy each viewer: viewer_limit", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.rest().catch(() => {});
  });
  await using stack = await start(origin.target, {
    "limits.max_http2_requests_per_address": "3",
    trusted_proxies: "127.0.0.0/8",
  });
  using first = await Http2Client.connect(stack.port);
  using second = await Http2Client.connect(stack.port);
  const from = (ip: string): Fields => fields(stack, "GET", "/", ["x-forwarded-for", ip]);
  const open = [await first.request(from("192.0.2.1")), await first.request(from("192.0.2.1"))];
  await second.request(from("192.0.2.1"));
  await eventually("three are at the origin", () => origin.connections === 3);
  const refused = await second.over(await second.request(from("192.0.2.1")));
  assert.equal(refused.blocks[0][":status"], "503");
  assert.equal(JSON.parse(refused.body).code, "viewer_limit");
  await second.request(from("192.0.2.2"));
  await eventually("another viewer is served", () => origin.connections === 4);
  await first.reset(open[0]);
  await eventually("who has ended makes room", async () => {
    const state = second.state(await second.request(from("192.0.2.1")));
    await eventually("refused, or at the origin", () => state.ended || origin.connections > 4);
    return origin.connections > 4;
  });
});

Deno.test("bodies of refused requests take nothing from the connection's window", async () => {
  await using origin = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  await using stack = await startStack({
    edge: { h2c_from: "127.0.0.0/8" },
    services: [{ name: "web", target: origin.target, "rules.deny": "127.0.0.1" }],
  });
  using client = await Http2Client.connect(stack.port);
  const body = new Uint8Array(60_000);
  for (let sent = 0; sent < 2 * 1_048_576; sent += body.length) {
    const stream = await client.request(fields(stack, "POST"), false);
    await client.data(stream, body, true);
    assert.equal((await client.over(stream)).blocks[0]?.[":status"], "403", JSON.stringify(client.goaways));
  }
});

Deno.test("bodies and trailers that break off what is under way at the service count like resets: h2_rapid_reset", async () => {
  await using origin = RawOrigin.silent();
  await using stack = await start(origin.target);
  const floods: ((client: Http2Client) => Promise<void>)[] = [
    async (client) => {
      const stream = await client.request(fields(stack, "POST", "/", ["content-length", "1"]), false);
      await client.data(stream, "ab", true);
      await client.over(stream);
    },
    async (client) => {
      const stream = await client.request(fields(stack, "POST"), false);
      await client.trailers(stream, [["content-length", "1"]]);
      await client.over(stream);
    },
  ];
  for (const flood of floods) {
    using client = await Http2Client.connect(stack.port);
    for (let burst = 0; burst < 12 && !client.closed; burst++) {
      await Promise.allSettled(Array.from({ length: 50 }, () => flood(client)));
    }
    await eventually("GOAWAY", () => client.goaways.length > 0);
    assert.equal(client.goaways[0].debug, "h2_rapid_reset");
    await eventually("closed", () => client.closed);
  }
});
