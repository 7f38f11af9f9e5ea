import assert from "node:assert/strict";
import fc from "fast-check";
import { isErrorCode } from "../../src/errors/mod.ts";
import { controlDefaults, controlPaths, openApiDocument } from "../../src/control/mod.ts";
import { assertProblem, defaultLimits, issuer, openControl } from "./support.ts";

const post = (path: string, body: BodyInit | null, headers: Record<string, string> = {}) =>
  new Request(`${issuer}${path}`, {
    method: "POST",
    body,
    headers: { "Content-Type": "application/json", ...headers },
  });

const { maxBodyBytes } = defaultLimits;

Deno.test("a body above its limit is refused, declared or not: body_too_large", async () => {
  await using control = await openControl();
  const large = JSON.stringify({ requested_name: "a".repeat(maxBodyBytes) });
  assertProblem(await control.send(post("/tunnels/create", large)), 413, "body_too_large");
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
  });
  assertProblem(await control.send(post("/tunnels/create", endless)), 413, "body_too_large");
  assert.ok(pulled < maxBodyBytes / 16_384 + 8, `${pulled} parts were read`);
  const declared = post("/tunnels/create", "{}", { "Content-Length": `${maxBodyBytes + 1}` });
  assertProblem(await control.send(declared), 413, "body_too_large");
});

Deno.test("a body of exactly 64 KiB is read", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const exact = "{}".padEnd(maxBodyBytes, " ");
  assert.equal((await control.send(post("/tunnels/create", exact))).status, 200);
});

Deno.test("a body that is not JSON is refused: body_malformed, content_type_unsupported, request_invalid", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  for (const body of ["{", "{'a':1}", "\u{feff}{}", new Uint8Array([0x22, 0xff, 0x22])]) {
    assertProblem(await control.send(post("/tunnels/create", body)), 400, "body_malformed");
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]) {
    const request = post("/tunnels/create", "{}", { "Content-Type": type });
    assertProblem(await control.send(request), 415, "content_type_unsupported");
  }
  const utf8 = post("/tunnels/create", "{}", { "Content-Type": "application/json; charset=utf-8" });
  assert.equal((await control.send(utf8)).status, 200);
  assertProblem(await control.send(post("/tunnels/create", null)), 400, "request_invalid");
  for (const body of ["[]", "null", "7", '{"requested_name":7}', '{"preferred_transports":["smoke"]}']) {
    assertProblem(await control.send(post("/tunnels/create", body)), 400, "request_invalid");
  }
  const named = await control.send(post("/tunnels/create", '{"recreate_token_ttl_seconds":"1h"}'));
  assert.match(named.json.detail, /recreate_token_ttl_seconds/);
});

Deno.test("unknown paths and methods: endpoint_not_found, method_not_allowed", async () => {
  await using control = await openControl();
  assertProblem(await control.get("/nothing"), 404, "endpoint_not_found");
  const wrong = await control.get("/tunnels/create");
  assertProblem(wrong, 405, "method_not_allowed");
  assert.equal(wrong.headers.get("Allow"), "POST");
});

Deno.test("X-Request-Id is echoed when it is harmless and made up otherwise", async () => {
  await using control = await openControl();
  const idOf = async (id?: string) => {
    const headers = id === undefined ? undefined : { "X-Request-Id": id };
    const { headers: answered } = await control.send(new Request(`${issuer}/openapi.json`, { headers }));
    return answered.get("X-Request-Id");
  };
  assert.equal(await idOf("req-1.A_b"), "req-1.A_b");
  for (const id of [undefined, "a b", "x".repeat(129), '"><script>']) {
    assert.match(await idOf(id) ?? "", /^[0-9a-f]{32}$/);
  }
  assert.notEqual(await idOf(), await idOf());
});

Deno.test("requests of one address are limited and admitted again in time: rate_limited", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const create = (ip: string) => control.post("/tunnels/create", { requested_name: "-" }, undefined, ip);
  for (let n = 0; n < 20; n++) assert.equal((await create("192.0.2.9")).status, 400);
  const refused = await create("192.0.2.9");
  assertProblem(refused, 429, "rate_limited");
  assert.equal(refused.headers.get("Retry-After"), "1");
  assert.equal((await create("192.0.2.10")).status, 400);
  assert.equal((await control.get("/openapi.json")).status, 200);
  control.clock.advance(1_000);
  assert.equal((await create("192.0.2.9")).status, 400);
  assert.equal((await create("192.0.2.9")).status, 429);
});

Deno.test("a failure of the store is a problem document, logged with its request id", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  await control.store.close();
  const answer = await control.post("/tunnels/create", {});
  assertProblem(answer, 503, "store_failed");
  assert.ok(
    control.logged.some((line) => line.includes(answer.json.request_id) && line.includes("store_failed")),
  );
});

Deno.test("an unexpected failure shows nothing of itself: internal_error", async () => {
  await using control = await openControl();
  control.deps.keyset.jwks = () => {
    throw new TypeError("secret detail");
  };
  const answer = await control.get("/.well-known/jwks.json");
  assertProblem(answer, 500, "internal_error");
  assert.equal(JSON.stringify(answer.json).includes("secret detail"), false);
  assert.ok(control.logged.some((line) => line.includes("secret detail")));
});

Deno.test("GET /openapi.json describes every route with its request and answers", async () => {
  await using control = await openControl();
  const { status, json } = await control.get("/openapi.json");
  assert.equal(status, 200);
  assert.equal(json.openapi, "3.1.0");
  assert.deepEqual(json, JSON.parse(JSON.stringify(openApiDocument())));
  const described = Object.entries(json.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`)
  );
  assert.deepEqual(described.sort(), [
    "GET /.well-known/jwks.json",
    "GET /api/admin/accounts",
    "GET /api/admin/audit",
    "GET /api/admin/ca",
    "GET /api/admin/connectors",
    "GET /api/admin/machines",
    "GET /api/admin/me",
    "GET /api/admin/node-rules",
    "GET /api/admin/overview",
    "GET /api/admin/policies",
    "GET /api/admin/policies/{name}/diff",
    "GET /api/admin/revocations",
    "GET /api/admin/services",
    "GET /api/admin/sessions",
    "GET /api/admin/tunnelers",
    "GET /api/admin/versions",
    "GET /tunnels/list",
    "GET /v1/audit",
    "GET /v1/machines",
    "GET /v1/machines/{agent_id}",
    "GET /v1/policies",
    "GET /v1/policies/{name}",
    "GET /v1/revocations",
    "GET /v1/trust-bundle",
    "POST /api/admin/accounts/delete",
    "POST /api/admin/accounts/factor/remove",
    "POST /api/admin/accounts/invite",
    "POST /api/admin/accounts/role",
    "POST /api/admin/ca/import",
    "POST /api/admin/ca/request",
    "POST /api/admin/ca/rotate",
    "POST /api/admin/drain",
    "POST /api/admin/factor/begin",
    "POST /api/admin/factor/confirm",
    "POST /api/admin/factor/remove",
    "POST /api/admin/login",
    "POST /api/admin/logout",
    "POST /api/admin/node-rules/allow",
    "POST /api/admin/node-rules/disallow",
    "POST /api/admin/password",
    "POST /api/admin/refresh",
    "POST /api/admin/resume",
    "POST /api/admin/reveal",
    "POST /api/admin/setup",
    "POST /api/admin/tokens",
    "POST /attest/challenge",
    "POST /attest/evidence",
    "POST /auth/token",
    "POST /auth/token/issue",
    "POST /auth/token/revoke",
    "POST /tunnels/create",
    "POST /tunnels/delete",
    "POST /v1/channel/init",
    "POST /v1/channel/reissue",
    "POST /v1/enroll/begin",
    "POST /v1/enroll/finish",
    "POST /v1/enroll/tokens",
    "POST /v1/identity/enroll",
    "POST /v1/identity/nonce",
    "POST /v1/identity/renew",
    "POST /v1/machines/delete",
    "POST /v1/machines/restore",
    "POST /v1/machines/revoke",
    "POST /v1/policies",
    "POST /v1/policies/learn",
    "POST /v1/revocations",
    "POST /v1/tokens/verify",
  ]);
  const served = control.app.routes.filter((route) => route.method !== "ALL").map((route) => route.path);
  assert.deepEqual([...new Set(served)].sort(), [...controlPaths].sort());
  for (const methods of Object.values<Record<string, { responses: object }>>(json.paths)) {
    for (const operation of Object.values(methods)) {
      assert.deepEqual(Object.keys(operation.responses), ["200", "default"]);
    }
  }
  const text = JSON.stringify(json);
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    assert.ok(json.components.schemas[name], `schema ${name} is missing`);
  }
  const request = json.components.schemas.CreateTunnelRequest.properties;
  for (
    const field of [
      "requested_name",
      "preferred_transports",
      "region_hint",
      "recreate_token_ttl_seconds",
      "management_token",
    ]
  ) {
    assert.ok(request[field], field);
  }
});

Deno.test("any JSON to any route is answered with success or a problem of a known code, never 5xx", async () => {
  const posts = controlPaths.filter((path) => /^\/(tunnels|a|v1)/.test(path));
  const rates = { perMinute: 1e9, burst: 1e9 };
  await using control = await openControl({
    config: {
      anonymousTunnels: true,
      rates: {
        ...controlDefaults.rates,
        create: rates,
        manage: rates,
        attest: rates,
        enroll: rates,
        identity: rates,
        read: rates,
      },
    },
  });
  const fields = [
    "requested_name",
    "tunnel_id",
    "management_token",
    "stage0_token",
    "challenge_id",
    "evidence",
    "kind",
  ];
  const body = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...posts), body, async (path, value) => {
      const { status, json } = await control.post(path, value);
      assert.ok(status < 500, JSON.stringify(json));
      if (status !== 200) assert.ok(isErrorCode(json.code), JSON.stringify(json));
    }),
    { numRuns: 200 },
  );
});

Deno.test("the limit of a body is the configured one: body_too_large", async () => {
  const limits = { ...defaultLimits, maxBodyBytes: 1_024 };
  await using control = await openControl({ config: { anonymousTunnels: true, limits } });
  const padded = (bytes: number) => "{}".padEnd(bytes, " ");
  const post = (body: string) =>
    control.send(
      new Request(`${issuer}/tunnels/create`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      }),
    );
  assert.equal((await post(padded(1_024))).status, 200);
  assertProblem(await post(padded(1_025)), 413, "body_too_large");
});

Deno.test("GET / shows browsers a page that loads nothing, and tells others endpoint_not_found", async () => {
  await using control = await openControl();
  const ask = (accept?: string) =>
    control.app.fetch(
      new Request(`${issuer}/`, { headers: accept === undefined ? {} : { Accept: accept } }),
      {
        clientIp: "192.0.2.1",
      },
    );
  const page = await ask("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
  assert.equal(page.status, 200);
  assert.match(page.headers.get("Content-Type") ?? "", /^text\/html/);
  assert.match(page.headers.get("Content-Security-Policy") ?? "", /default-src 'none'/);
  assert.match(await page.text(), /<title>Postern<\/title>/);
  for (const accept of [undefined, "*/*", "application/json", "text/htmlx"]) {
    const answer = await ask(accept);
    assert.equal(answer.status, 404, accept);
    assert.equal((await answer.json()).code, "endpoint_not_found");
  }
});
