import assert from "node:assert/strict";
import { connectPrivate, type ErrorCode, PosternError } from "../../../src/mod.ts";
import { LoopbackServer } from "../../support/loopback_server.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

Deno.test("connectPrivate() asks control by the token for the service, with the key of its endpoint", async () => {
  await using control = new LoopbackServer(() =>
    Response.json({ code: "private_service_unknown", title: "no such service" }, {
      status: 404,
      headers: { "content-type": "application/problem+json" },
    })
  );
  const options = {
    control: `http://127.0.0.1:${control.port}`,
    token: () => Promise.resolve("token-of-alice"),
    service: "alice/db",
  };
  await assert.rejects(connectPrivate(options), code("private_service_unknown"));
  const [{ method, headers }] = control.requests;
  assert.deepEqual([method, headers.get("authorization")], ["POST", "Bearer token-of-alice"]);
  const { service, client_static_key } = JSON.parse(control.bodies[0]);
  assert.equal(service, "alice/db");
  assert.match(client_static_key, /^[A-Za-z0-9_-]{43}$/);

  const privateKey = new Uint8Array(32).fill(7);
  for (let i = 0; i < 2; i++) await assert.rejects(connectPrivate({ ...options, privateKey }));
  assert.equal(control.bodies[1], control.bodies[2]);
  assert.notEqual(control.bodies[1], control.bodies[0]);
});

Deno.test("connectPrivate() refuses a pin that is none, and gives up when its signal aborts", async () => {
  const options = { control: "http://127.0.0.1:1", token: "token", service: "db" };
  await assert.rejects(connectPrivate({ ...options, pins: ["sha256:short"] }), code("private_pin_malformed"));
  await assert.rejects(connectPrivate({ ...options, signal: AbortSignal.abort() }), code("channel_closed"));
});
