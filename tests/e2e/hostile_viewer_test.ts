import assert from "node:assert/strict";
import { CATALOGUE } from "../../src/errors/mod.ts";
import { HEAD_LIMITS } from "../../src/http1/mod.ts";
import { REFUSALS } from "../http1/refusals.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, metricOf, startStack } from "../support/stack.ts";

/** File descriptors of this process, in which edge and agent run. */
function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

const limits = {
  "limits.max_target_bytes": `${HEAD_LIMITS.maxTargetBytes}`,
  "limits.max_head_bytes": `${HEAD_LIMITS.maxHeadBytes}`,
  "limits.max_headers": `${HEAD_LIMITS.maxHeaders}`,
};
const TLS_HANDSHAKE = "\x16";

Deno.test("requests that could be read in two ways are refused with their code, nothing behind them is, and the origin sees none", async () => {
  await using origin = RawOrigin.silent();
  await using stack = await startStack({ edge: limits, services: [{ name: "a", target: origin.target }] });
  const idle = openFiles();
  const host = stack.host("a");
  const counts = new Map<string, number>();
  // What is no HTTP/1.1 at all is answered in its own tongue.
  const refusals = REFUSALS.filter(({ text, code }) => {
    return !text.startsWith(TLS_HANDSHAKE) && code !== "http_h2_preface";
  });
  for (const { name, text, code } of refusals) {
    using viewer = await stack.connect();
    const bytes = Uint8Array.from(
      text.replaceAll("Host: a.example", `Host: ${host}`),
      (char) => char.charCodeAt(0),
    );
    await viewer.send(bytes);
    await viewer.send(`GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`).catch(() => {});
    const answer = await viewer.rest();
    assert.match(
      answer,
      new RegExp(`^HTTP/1\\.1 ${CATALOGUE[code].status} `),
      `${name}: ${answer.slice(0, 200)}`,
    );
    assert.match(answer, new RegExp(`"code":"${code}"`), `${name}: ${answer}`);
    assert.match(answer, /\r\nConnection: close\r\n/i, name);
    assert.equal(answer.split("HTTP/1.1 ").length, 2, `${name}: more than one answer`);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  assert.equal(origin.connections, 0);
  const metrics = await stack.metrics();
  for (const [code, count] of counts) {
    assert.equal(metricOf(metrics, `postern_refusals_total{code="${code}",layer="http"}`), count, code);
  }
  await eventually("every connection is closed", () => {
    return stack.plane.status().viewer_connections <= 2 && openFiles() <= idle + 4;
  });
});

Deno.test("a head that is too large is 431, too many fields are, and no more is read than is allowed", async () => {
  await using stack = await startStack({ edge: limits });
  using large = await stack.connect();
  await large.send(
    `GET / HTTP/1.1\r\nHost: ${stack.host("a")}\r\nX-Large: ${"x".repeat(HEAD_LIMITS.maxHeadBytes)}`,
  );
  const refused = await large.response();
  assert.equal(refused.status, 431);
  assert.equal(JSON.parse(refused.body).code, "http_head_too_large");
  using many = await stack.connect();
  await many.get(
    stack.host("a"),
    "/",
    Array.from({ length: HEAD_LIMITS.maxHeaders + 1 }, (_, at) => `X-${at}: y`),
  );
  assert.equal(JSON.parse((await many.response()).body).code, "http_too_many_headers");
});

Deno.test("a head that comes in drops is 408, and a connection that says nothing is closed", async () => {
  await using stack = await startStack({
    edge: { "timeouts.request_head": "300ms", "timeouts.peek": "300ms", "timeouts.tls_handshake": "300ms" },
  });
  using slow = await stack.connect();
  await slow.send("GET / HTTP/1.1\r\nHo");
  const answer = await slow.response();
  assert.equal(answer.status, 408);
  assert.equal(JSON.parse(answer.body).code, "head_timeout");
  assert.equal(await slow.rest(), "");
  using mute = await stack.connect();
  assert.equal(await mute.rest(), "");
  using tls = await stack.connect();
  await tls.send("\x16\x03\x01");
  assert.equal(await tls.rest(), "");
  const metrics = await stack.metrics();
  for (const code of ["peek_timeout", "tls_timeout"]) {
    assert.equal(metricOf(metrics, `postern_refusals_total{code="${code}",layer="listener"}`), 1, code);
  }
});

Deno.test("one address gets only so many connections, and gets new ones when it closes some", async () => {
  await using stack = await startStack({ edge: { "limits.max_connections_per_address": "20" } });
  const open: RawClient[] = [];
  try {
    for (let n = 0; n < 20; n++) {
      const viewer = await stack.connect();
      await viewer.get(stack.host("nobody"));
      assert.equal((await viewer.response()).status, 404);
      open.push(viewer);
    }
    using refused = await stack.connect();
    await refused.send("GET / HTTP/1.1\r\n").catch(() => {});
    assert.equal(await refused.rest(), "");
    const metrics = await stack.metrics();
    assert.equal(metricOf(metrics, 'postern_refusals_total{code="viewer_limit",layer="listener"}'), 1);
    open.pop()![Symbol.dispose]();
    await eventually("the edge has noticed", () => stack.plane.status().viewer_connections < 20);
    using again = await stack.connect();
    await again.get(stack.host("nobody"));
    assert.equal((await again.response()).status, 404);
  } finally {
    for (const viewer of open) viewer[Symbol.dispose]();
  }
});

Deno.test("control answers what the platform has no request for, and none of it is an internal error", async () => {
  await using stack = await startStack();
  for (
    const [line, host, body, status] of [
      ["GET /healthz", "127.0.0.1", "", 200],
      ["GET /healthz", "999.999.999.999", "", 200],
      ["GET /healthz", "99999999999", "", 200],
      ["GET /healthz", "1.2.3.4.5.6:1", "", 200],
      ["GET /healthz", "127.0.0.1", "a body", 200],
      ["HEAD /healthz", "127.0.0.1", "a body", 200],
      ["OPTIONS *", "127.0.0.1", "", 405],
      ["GET //else.where/healthz", "127.0.0.1", "", 404],
      ["TRACE /healthz", "127.0.0.1", "", 501],
      ["TRACK /healthz", "127.0.0.1", "", 400],
      ["GET /healthz", "other.localhost", "", 404],
    ] as const
  ) {
    using viewer = await stack.connect();
    const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
    await viewer.send(`${line} HTTP/1.1\r\nHost: ${host}\r\n${length}\r\n${body}`);
    assert.equal((await viewer.response(line.split(" ")[0])).status, status, `${line} at ${host}`);
  }
  assert.deepEqual(stack.lines.filter(({ level }) => level === "error"), []);
});
