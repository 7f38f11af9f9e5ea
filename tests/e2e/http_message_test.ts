import assert from "node:assert/strict";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, startStack, within } from "../support/stack.ts";

const end = "\r\n\r\n";

Deno.test("the largest head that the edge takes reaches the origin: a long target, many fields, many bytes", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    const head = await socket.through(end);
    await socket.send(`HTTP/1.1 200 OK\r\nContent-Length: ${`${head.length}`.length}\r\n\r\n${head.length}`);
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  const fields = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, at) => `X-${at}:${"y".repeat(bytes)}\r\n`).join("");
  const host = `Host: ${stack.host("web")}\r\n`;
  for (
    const request of [
      `GET /${"a".repeat(15_000)} HTTP/1.1\r\n${host}\r\n`,
      `GET / HTTP/1.1\r\n${host}${fields(127, 1)}\r\n`,
      `GET / HTTP/1.1\r\n${host}${fields(127, 490)}\r\n`,
    ]
  ) {
    using viewer = await stack.connect();
    await viewer.send(request);
    const response = await viewer.response();
    assert.equal(response.status, 200, `${request.length} bytes`);
    assert.ok(Number(response.body) > request.length);
  }
});

Deno.test("several requests sent at once on one connection are answered in order, and the origin's connection is used again", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    for (;;) {
      const path = (await socket.through(end)).split(" ")[1];
      await socket.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    }
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  const paths = Array.from({ length: 50 }, (_, at) => `/page-${at}`);
  const text = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: ${stack.host("web")}\r\n\r\n`).join("");
  await viewer.send(text);
  for (const path of paths) assert.equal((await viewer.response()).body, path);
  assert.equal(origin.connections, 1);
});

Deno.test("HEAD has no body, HTTP/1.0 is answered and closed, and an answer without length ends with its connection", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    const head = await socket.through(end);
    await socket.send(
      head.startsWith("HEAD")
        ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
        : "HTTP/1.0 200 OK\r\n\r\nuntil close",
    );
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  await viewer.send(`HEAD / HTTP/1.1\r\nHost: ${stack.host("web")}\r\n\r\n`);
  const head = await viewer.response("HEAD");
  assert.equal(head.headers.get("content-length"), "7");
  await viewer.get(stack.host("web"));
  assert.equal((await viewer.response()).body, "until close"); // chunked by the edge: the connection lives on
  using old = await stack.connect();
  await old.send(`GET / HTTP/1.0\r\nHost: ${stack.host("web")}\r\n\r\n`);
  assert.match(await old.rest(), /^HTTP\/1\.1 200 [^]*connection: close[^]*until close$/i);
});

Deno.test("the origin is told the edge's own facts about the viewer, never the viewer's claims", async () => {
  const heads: string[] = [];
  await using origin = RawOrigin.start(async (socket) => {
    heads.push(await socket.through(end));
    await socket.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  await viewer.get(stack.host("web"), "/", [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: bank.example",
    "X-Postern-Client-IP: 6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Secret: hop",
    "Connection: keep-alive, X-Secret",
  ]);
  assert.equal((await viewer.response()).status, 204);
  const [head] = heads;
  assert.doesNotMatch(head, /6\.6\.6\.6|bank\.example|X-Secret|Forwarded: for/i);
  assert.match(head, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
  assert.match(head, /\r\nX-Forwarded-Proto: http\r\n/);
  assert.match(head, new RegExp(`\r\nX-Forwarded-Host: ${stack.host("web")}\r\n`));
  assert.match(head, /\r\nX-Postern-Client-IP: 127\.0\.0\.1\r\n/);
  assert.match(head, /\r\nX-Request-Id: [0-9a-f]{32}\r\n/);
});

Deno.test("a viewer's request id goes through to the origin and into the edge's log; a malformed one is replaced", async () => {
  const heads: string[] = [];
  await using origin = RawOrigin.start(async (socket) => {
    heads.push(await socket.through(end));
    await socket.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  await viewer.get(stack.host("web"), "/", ["X-Request-Id: trace-me.1"]);
  await viewer.response();
  await viewer.get(stack.host("web"), "/", ["X-Request-Id: bad id !"]);
  await viewer.response();
  assert.match(heads[0], /\r\nX-Request-Id: trace-me\.1\r\n/);
  assert.match(heads[1], /\r\nX-Request-Id: [0-9a-f]{32}\r\n/);
  await eventually("the request is logged", () => {
    return stack.lines.some((line) => line.from === "edge" && line.fields.request_id === "trace-me.1");
  });
});

Deno.test("a viewer that leaves cancels the request at the origin, before and during the answer", async () => {
  const gone = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using origin = RawOrigin.start(async (socket) => {
    const during = (await socket.through(end)).includes("/during") ? 1 : 0;
    if (during === 1) await socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    asked[during].resolve();
    await socket.rest();
    gone[during].resolve();
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  for (const [at, path] of ["/before", "/during"].entries()) {
    using viewer = await stack.connect();
    await viewer.get(stack.host("web"), path);
    await asked[at].promise;
    if (at === 1) await viewer.through("one");
    viewer[Symbol.dispose]();
    await within(5_000, `the origin sees the end of ${path}`, gone[at].promise, stack.lines);
  }
  await eventually("no stream is open", () => {
    return stack.plane.status().sessions.every((session) => session.streams === 0);
  });
});

Deno.test("requests are shared by weight over the agents of one name", async () => {
  const serve = (body: string) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(body));
  await using heavy = serve("heavy");
  await using light = serve("light");
  await using stack = await startStack();
  const token = { token_file: stack.edge.tokenPath };
  await stack.addAgent([{ name: "web", target: `127.0.0.1:${heavy.addr.port}`, weight: "300" }], token);
  await stack.addAgent([{ name: "web", target: `127.0.0.1:${light.addr.port}`, weight: "100" }], token);
  const seen = { heavy: 0, light: 0 };
  for (let n = 0; n < 40; n++) seen[await (await stack.fetch("web")).text() as keyof typeof seen]++;
  assert.deepEqual(seen, { heavy: 30, light: 10 });
});
