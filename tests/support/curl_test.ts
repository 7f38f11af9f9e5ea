import assert from "node:assert/strict";
import { curl } from "./curl.ts";
import { freePort } from "./ports.ts";

Deno.test("curl() gives status, headers and body, and sends a body from the test", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    return new Response(`${request.headers.get("host")} ${await request.text()}`, {
      status: 201,
      headers: { "x-seen": request.method },
    });
  });
  const port = server.addr.port;
  const result = await curl("http://shop.test/x", { body: "payload", connectTo: { "shop.test:80": port } });
  assert.equal(result.code, 0);
  assert.equal(result.status, 201);
  assert.equal(result.headers.get("x-seen"), "POST");
  assert.equal(result.text, "shop.test payload");
  assert.equal(result.httpVersion, "1.1");
});

Deno.test("curl() reports a refused connection by curl's exit code", async () => {
  const result = await curl(`http://127.0.0.1:${freePort()}/`);
  assert.equal(result.code, 7);
  assert.equal(result.status, 0);
});
