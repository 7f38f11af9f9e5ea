import assert from "node:assert/strict";
import { curl } from "../support/curl.ts";
import { freePort } from "../support/ports.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { metricOf, startStack } from "../support/stack.ts";

const end = "\r\n\r\n";

Deno.test("an unknown host is 404 with its code, as a problem document for programs and a page for people", async () => {
  await using stack = await startStack();
  const problem = await curl(stack.url("nobody"), { args: ["--header", "Accept: application/json"] });
  assert.equal(problem.status, 404);
  assert.equal(problem.headers.get("content-type"), "application/problem+json");
  const document = JSON.parse(problem.text);
  assert.equal(document.code, "unknown_host");
  assert.equal(document.status, 404);
  assert.equal(document.request_id, problem.headers.get("x-request-id"));
  const page = await curl(stack.url("nobody"), { args: ["--header", "Accept: text/html,*/*;q=0.8"] });
  assert.equal(page.status, 404);
  assert.match(page.headers.get("content-type")!, /^text\/html/);
  assert.match(page.text, /unknown_host/);
  assert.equal(page.headers.get("cache-control"), "no-store");
  assert.equal(
    metricOf(await stack.metrics(), 'postern_refusals_total{code="unknown_host",layer="http"}'),
    2,
  );
});

Deno.test("a known service without an agent is 503 tunnel_offline once the grace time is over", async () => {
  await using origin = RawOrigin.silent();
  await using stack = await startStack({
    edge: { grace: "200ms" },
    services: [{ name: "web", target: origin.target }],
  });
  await stack.agent.stop();
  const answer = await curl(stack.url("web"));
  assert.equal(answer.status, 503);
  assert.equal(JSON.parse(answer.text).code, "tunnel_offline");
  assert.equal(answer.headers.get("retry-after"), "5");
});

Deno.test("an origin that refuses connections is 502 origin_refused", async () => {
  await using stack = await startStack({ services: [{ name: "web", target: `127.0.0.1:${freePort()}` }] });
  const answer = await curl(stack.url("web"));
  assert.equal(answer.status, 502);
  assert.equal(JSON.parse(answer.text).code, "origin_refused");
});

Deno.test("an origin that answers too late is 504 origin_timeout, by the agent's clock or the edge's", async () => {
  await using origin = RawOrigin.silent();
  for (
    const slow of [{ agent: { "origin.response": "200ms" } }, {
      edge: { "timeouts.origin_response": "200ms" },
    }]
  ) {
    await using stack = await startStack({ ...slow, services: [{ name: "web", target: origin.target }] });
    const answer = await curl(stack.url("web"));
    assert.equal(answer.status, 504);
    assert.equal(JSON.parse(answer.text).code, "origin_timeout");
  }
});

Deno.test("an origin that breaks off is 502 origin_reset, one that speaks no HTTP is 502 origin_protocol", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    const head = await socket.through(end);
    if (head.includes("/protocol")) await socket.send("220 mail.example ESMTP\r\n\r\n");
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  const reset = await curl(stack.url("web", "/reset"));
  assert.deepEqual([reset.status, JSON.parse(reset.text).code], [502, "origin_reset"]);
  const protocol = await curl(stack.url("web", "/protocol"));
  assert.deepEqual([protocol.status, JSON.parse(protocol.text).code], [502, "origin_protocol"]);
});

Deno.test("an answer that breaks off in its body is cut, so that the viewer sees that it is not whole", async () => {
  const seen = Promise.withResolvers<void>();
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through(end);
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    await seen.promise;
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  await viewer.get(stack.host("web"));
  await viewer.through("only this");
  seen.resolve();
  assert.equal(await viewer.rest(), "");
});

Deno.test("a refusal of a request without body leaves the connection usable, one in the middle of a body closes it", async () => {
  await using stack = await startStack();
  using viewer = await stack.connect();
  await viewer.get(stack.host("nobody"));
  assert.equal((await viewer.response()).status, 404);
  await viewer.send(`POST / HTTP/1.1\r\nHost: ${stack.host("nobody")}\r\nContent-Length: 1000\r\n\r\npart`);
  const refused = await viewer.response();
  assert.equal(refused.status, 404);
  assert.equal(refused.headers.get("connection"), "close");
  assert.equal(await viewer.rest(), "");
});

Deno.test("a request whose service is down is among the agent's recent ones, and its log line says whose it is", async () => {
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${freePort()}` }],
  });
  const answer = await curl(stack.url("web", "/a?b=c"));
  assert.equal(answer.status, 502);
  const [{ service, method, path, status }] = stack.agent.status().recent;
  assert.deepEqual([service, method, path, status], ["web", "GET", "/a", 502]);
  const line = stack.lines.find(({ from, event }) => from === "agent" && event === "origin unreachable");
  assert.deepEqual(
    [line?.fields.service, line?.fields.request_id],
    ["web", answer.headers.get("x-request-id")],
  );
});
