/**
 * Nothing that a viewer or an origin sends becomes a second message for somebody else. Heads are in hostile_viewer_test.ts;
 * here are bodies, declined upgrades, and responses.
 */
import assert from "node:assert/strict";
import { CATALOGUE } from "../../src/errors/mod.ts";
import { BODY_REFUSALS } from "../http1/refusals.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";
import { Wire } from "./behaviours/wire.ts";

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";

/** Says this on a connection of its own; everything that comes back. */
async function says(stack: Stack, text: string): Promise<string> {
  using viewer = await Wire.connect(stack.port);
  await viewer.send(text.replaceAll("HOST", stack.host("a")));
  return await viewer.rest();
}

Deno.test("a body that could hide a request is refused while it streams, and the origin never sees what follows", async () => {
  let seen = "";
  await using origin = RawOrigin.start(async (socket) => {
    const wire = new Wire(socket.conn);
    for (let part = await wire.exactly(1); part !== ""; part = await wire.exactly(1)) seen += part;
  });
  await using stack = await startStack({ services: [{ name: "a", target: origin.target }] });
  for (const [code, body] of BODY_REFUSALS) {
    const head = "POST /first HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n";
    const answer = await says(stack, `${head}${body}${smuggled}`);
    const name = JSON.stringify(body.slice(0, 40));
    assert.match(
      answer,
      new RegExp(`^HTTP/1\\.1 ${CATALOGUE[code as keyof typeof CATALOGUE].status} `),
      name,
    );
    assert.match(answer, new RegExp(`"code":"${code}"`), name);
    assert.match(answer, /\r\nConnection: close\r\n/, name);
    assert.equal(answer.split("HTTP/1.1 ").length, 2, `${name}: more than one answer`);
  }
  await eventually("no stream is open", () => {
    return stack.plane.status().sessions.every((session) => session.streams === 0);
  });
  assert.doesNotMatch(seen, /smuggled/);
});

const websocket =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
  "Sec-WebSocket-Version: 13\r\n";

Deno.test("what follows an upgrade that was declined is no request, whatever the origin answers and whenever it comes", async () => {
  const requests: string[] = [];
  await using origin = RawOrigin.start(async (socket) => {
    for (;;) {
      const head = await socket.through("\r\n\r\n");
      requests.push(head.split("\r\n", 1)[0]);
      const [, status, fields] = /status=(\d+)(\S*)/.exec(head) ?? ["", "200", ""];
      await socket.send(`HTTP/1.1 ${status} X\r\n${decodeURIComponent(fields)}Content-Length: 0\r\n\r\n`);
    }
  });
  await using stack = await startStack({ services: [{ name: "a", target: origin.target }] });
  const rows: [query: string, lines: string, expected: number][] = [
    ["status=200", websocket, 200],
    ["status=403", websocket, 403],
    ["status=426", websocket, 426],
    ["status=101", websocket, 502], // says nothing of an upgrade
    ["status=101Connection:%20Upgrade%0d%0aUpgrade:%20other%0d%0a", websocket, 502],
    ["status=101Connection:%20Upgrade%0d%0aUpgrade:%20websocket%0d%0a", "", 502], // nobody asked
    ["status=200", websocket.replace("Version: 13", "Version: 777"), 200],
    ["status=200", "Connection: Upgrade\r\nUpgrade: other\r\n", 200],
  ];
  for (const [query, lines, expected] of rows) {
    requests.length = 0;
    const isUpgrade = lines !== "";
    const request = `GET /?${query} HTTP/1.1\r\nHost: HOST\r\n${lines}\r\n`;
    using viewer = await Wire.connect(stack.port);
    await viewer.send((request + (isUpgrade ? smuggled : "")).replaceAll("HOST", stack.host("a")));
    const first = await viewer.response();
    assert.equal(Number(first?.line.split(" ")[1]), expected, query);
    if (!isUpgrade) continue;
    await viewer.send(smuggled.replace("HOST", stack.host("a"))).catch(() => {});
    assert.equal(await viewer.rest(), "", query);
    assert.deepEqual(requests, [request.split("\r\n", 1)[0]], query);
  }
});

const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";

interface BadResponse {
  readonly name: string;
  readonly text: string;
  /** What the viewer gets: a refusal, a response that breaks off, or all of it but what is too much. */
  readonly gets: "origin_protocol" | "origin_reset" | "cut" | "whole";
  readonly method?: string;
  /** The origin closes afterwards. */
  readonly closes?: boolean;
  /** Said once the response is with the viewer. */
  readonly later?: string;
}

const head = (lines: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n`;
const chunked = "Transfer-Encoding: chunked\r\n";

const RESPONSES: readonly BadResponse[] = [
  ...([
    ["length and chunks", head(`Content-Length: 2\r\n${chunked}`) + "0\r\n\r\n"],
    ["chunks and length", head(`${chunked}Content-Length: 2\r\n`) + "0\r\n\r\n"],
    ["two lengths", head("Content-Length: 2\r\nContent-Length: 3\r\n") + "ok"],
    ["one length twice", head("Content-Length: 2\r\nContent-Length: 2\r\n") + "ok"],
    ["a list of lengths", head("Content-Length: 2, 2\r\n") + "ok"],
    ["a signed length", head("Content-Length: +2\r\n") + "ok"],
    ["a length with a tab", head("Content-Length:\t2\r\n") + "ok"],
    ["an unknown coding", head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n"],
    ["identity", head("Transfer-Encoding: identity\r\nContent-Length: 2\r\n") + "ok"],
    ["chunks twice", head("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n"],
    ["compressing coding", head("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"],
    ["chunks in HTTP/1.0", `HTTP/1.0 200 OK\r\n${chunked}\r\n0\r\n\r\n`],
    ["bare LF in the head", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"],
    ["bare CR in a field", head("X: a\rContent-Length: 2\r\n") + "ok"],
    ["a folded field", head("X: a\r\n Content-Length: 2\r\n") + "ok"],
    ["space before the colon", head("Content-Length : 2\r\n") + "ok"],
    ["NUL in a field", head("X: \0\r\nContent-Length: 2\r\n") + "ok"],
    ["a lookalike", head("Content_Length: 2\r\n") + "ok"],
    ["a length named as hop-by-hop", head("Connection: content-length\r\nContent-Length: 2\r\n") + "ok"],
    ["another version", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["leading line break", "\r\n" + head("Content-Length: 2\r\n") + "ok"],
    ["no HTTP", "220 mail.example ESMTP\r\n\r\n"],
    ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
    ["a switch that nobody asked for", "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
    ["garbage behind an interim response", "HTTP/1.1 103 E\r\n\r\nPOISON\r\n\r\n"],
  ] as const).map(([name, text]) => ({ name, text: text + poison, gets: "origin_protocol" as const })),
  ...([
    ["a chunk without size", "\r\nPOISON"],
    ["a negative chunk", "-1\r\nPOISON"],
    ["a chunk of bare LF", "2\nok\n0\n\n"],
    ["a chunk that is longer than its size", "1\r\nok\r\n0\r\n\r\n"],
    ["a chunk above all limits", "ffffffffffffffff\r\nPOISON"],
    ["a chunk with overlong extensions", `2;${"a".repeat(300)}\r\nok\r\n0\r\n\r\n`],
    ["a length in the trailers", "2\r\nok\r\n0\r\nContent-Length: 2\r\n\r\n"],
    ["a request in the trailers", "2\r\nok\r\n0\r\nGET / HTTP/1.1\r\n\r\n"],
  ] as const).map(([name, text]) => ({ name, text: head(chunked) + text + poison, gets: "cut" as const })),
  { name: "a second response at once", text: head("Content-Length: 2\r\n") + "ok" + poison, gets: "whole" },
  {
    name: "a second response behind chunks",
    text: head(chunked) + "2\r\nok\r\n0\r\n\r\n" + poison,
    gets: "whole",
  },
  {
    name: "a second response later",
    text: head("Content-Length: 2\r\n") + "ok",
    later: poison,
    gets: "whole",
  },
  { name: "a line break later", text: head("Content-Length: 2\r\n") + "ok", later: "\r\n", gets: "whole" },
  {
    name: "an interim response later",
    text: head("Content-Length: 2\r\n") + "ok",
    later: "HTTP/1.1 100 C\r\n\r\n",
    gets: "whole",
  },
  { name: "a body of 204", text: "HTTP/1.1 204 N\r\nContent-Length: 6\r\n\r\nPOISON", gets: "whole" },
  { name: "a body of 204 without a length", text: "HTTP/1.1 204 N\r\n\r\n" + poison, gets: "whole" },
  { name: "a body of 304", text: "HTTP/1.1 304 N\r\nContent-Length: 6\r\n\r\nPOISON", gets: "whole" },
  { name: "a body of HEAD", method: "HEAD", text: head("Content-Length: 6\r\n") + "POISON", gets: "whole" },
  {
    name: "a chunked body of HEAD",
    method: "HEAD",
    text: head(chunked) + "6\r\nPOISON\r\n0\r\n\r\n",
    gets: "whole",
  },
  {
    name: "half a body",
    method: "POST",
    text: head("Content-Length: 99\r\n") + "part",
    closes: true,
    gets: "cut",
  },
  { name: "half a chunk", text: head(chunked) + "9\r\npart", closes: true, gets: "cut" },
  { name: "no last chunk", text: head(chunked) + "4\r\npart\r\n", closes: true, gets: "cut" },
  { name: "half a trailer", text: head(chunked) + "4\r\npart\r\n0\r\nX: y", closes: true, gets: "cut" },
  {
    name: "half a head",
    method: "POST",
    text: "HTTP/1.1 200 OK\r\nContent-Le",
    closes: true,
    gets: "origin_reset",
  },
];

Deno.test("what an origin says too much, or in two meanings, reaches nobody else, and its connection is never used again", async () => {
  let row = RESPONSES[0];
  const spoilt = new Set<number>();
  let saidMore = Promise.withResolvers<void>();
  let answered = Promise.withResolvers<void>();
  await using origin = RawOrigin.start(async (socket, connection) => {
    const wire = new Wire(socket.conn);
    for (;;) {
      const request = await wire.head();
      if (request === undefined) return;
      const path = request.line.split(" ")[1];
      assert.ok(!spoilt.has(connection), `${row.name}: ${path} came on a connection that is not to be used`);
      if (path !== "/bad") {
        await wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
        continue;
      }
      spoilt.add(connection);
      spoilt.add(connection);
      await wire.send(row.text);
      await answered.promise;
      if (row.later !== undefined) await wire.send(row.later);
      saidMore.resolve();
      if (row.closes) return;
    }
  });
  await using stack = await startStack({
    services: [{ name: "a", target: origin.target }],
    agent: { "origin.max_idle_connections": "4" },
  });
  const host = stack.host("a");
  for (row of RESPONSES) {
    saidMore = Promise.withResolvers<void>();
    answered = Promise.withResolvers<void>();
    using viewer = await Wire.connect(stack.port);
    await viewer.send(`GET /good HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.equal((await viewer.response())?.body, "/good", row.name);
    const { method = "GET" } = row;
    await viewer.send(`${method} /bad HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    if (row.closes) answered.resolve();
    let response = await viewer.response(method);
    while (response?.line.startsWith("HTTP/1.1 1")) response = await viewer.response(method);
    answered.resolve();
    await saidMore.promise;
    const text = JSON.stringify(response);
    assert.doesNotMatch(text, /POISON/, row.name);
    if (row.gets === "whole") assert.equal(response?.whole, true, `${row.name}: ${text}`);
    else if (row.gets === "cut") {
      // A response that had not begun to leave the edge may as well be a whole refusal.
      const refused = response?.line.startsWith("HTTP/1.1 502") && response.whole;
      assert.ok(refused || response?.whole === false || response === undefined, `${row.name}: ${text}`);
    } else assert.match(response?.body ?? "", new RegExp(`"code":"${row.gets}"`), `${row.name}: ${text}`);
    await eventually("nothing is under way", () => {
      return stack.plane.status().sessions.every((session) => session.streams === 0);
    });
    for (const path of ["/after", "/again"]) {
      using other = await Wire.connect(stack.port);
      await other.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal((await other.response())?.body, path, row.name);
    }
    if (row.gets === "whole") {
      await viewer.send(`GET /same HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal((await viewer.response())?.body, "/same", row.name);
    } else if (row.gets === "cut" && response?.whole === false) {
      assert.equal(await viewer.rest(), "", row.name);
    }
  }
});
