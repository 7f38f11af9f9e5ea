import assert from "node:assert/strict";
import { FIRST_PAUSE_MS, OPEN_AFTER } from "../../src/tokens/breaker.ts";
import { MAX_VERIFIER_ANSWER_BYTES } from "../../src/tokens/verifier_answer.ts";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { LoopbackServer } from "../support/loopback_server.ts";
import { settle } from "../support/virtual_clock.ts";
import { refusedWith } from "../identity/support.ts";
import { foreignClaims, RemoteSetup, secret, signed } from "./support.ts";

const token = (claims: Record<string, unknown> = {}) => signed("HS256", secret, claims);
const valid = (claims: Record<string, unknown> = {}) =>
  Response.json({ valid: true, claims: { ...foreignClaims, ...claims } });

Deno.test("RemoteVerifier posts the token with its credential and takes the claims of the answer", async () => {
  await using server = new LoopbackServer(() => valid({ hostnames: ["other.tunnel.example"], unknown: 1 }));
  using setup = new RemoteSetup(server.url);
  const claims = await setup.verify(await token());
  assert.deepEqual(claims!.hostnames, ["other.tunnel.example"]);
  assert.ok(!Object.hasOwn(claims!, "unknown"));
  const [{ method, headers }] = server.requests;
  assert.deepEqual([method, headers.get("authorization"), headers.get("content-type")], [
    "POST",
    "Bearer credential",
    "application/json",
  ]);
  assert.deepEqual(Object.keys(JSON.parse(server.bodies[0])), ["token"]);
  assert.equal(JSON.parse(server.bodies[0]).token, await token());
});

Deno.test("RemoteVerifier refuses answers that are no verdict with token_verifier_answer_invalid, and names nothing of them", async () => {
  const echo = await token();
  const json = (value: unknown, init: ResponseInit = {}) => () => Response.json(value, init);
  const answers: [string, () => Response][] = [
    ["garbage", () => new Response(`garbage ${echo}`, { headers: { "content-type": "application/json" } })],
    ["no JSON type", () => new Response(JSON.stringify({ valid: true, claims: foreignClaims }))],
    [
      "not UTF-8",
      () => new Response(Uint8Array.of(0xff), { headers: { "content-type": "application/json" } }),
    ],
    ["empty", () => new Response("", { headers: { "content-type": "application/json" } })],
    ["no object", json([true])],
    ["no verdict", json({ claims: foreignClaims })],
    ["truthy", json({ valid: "true", claims: foreignClaims })],
    ["no claims", json({ valid: true })],
    ["claims of another kind", json({ valid: true, claims: [foreignClaims] })],
    ["both", json({ valid: true, claims: foreignClaims, error: "expired" })],
    ["claims of what is not valid", json({ valid: false, claims: foreignClaims })],
    ["unknown member", json({ valid: true, claims: foreignClaims, cached: true })],
    ["another status", json({ valid: true, claims: foreignClaims }, { status: 201 })],
    ["not found", json({ valid: false }, { status: 404 })],
    ["our credential is refused", json({ valid: false }, { status: 401 })],
    ["redirected", () => new Response(null, { status: 307, headers: { location: "/elsewhere" } })],
    [
      "oversized",
      () => new Response(`{"valid":true,"claims":{"x":"${"x".repeat(MAX_VERIFIER_ANSWER_BYTES)}"}}`),
    ],
    ["endless", () => endless()],
    ["another subject", () => valid({ sub: "tun_2" })],
    ["another token", () => valid({ jti: "jti-9876543210" })],
    ["another issuer", () => valid({ iss: "https://control.example" })],
    ["a longer life", () => valid({ exp: foreignClaims.exp + 60 })],
  ];
  await using server = new LoopbackServer(() => valid());
  using setup = new RemoteSetup(server.url, { retries: 3 });
  for (const [what, answer] of answers) {
    server.answer = answer;
    const before = server.bodies.length;
    await assert.rejects(setup.verify(echo), (error) => {
      assert.equal(codeOf(error), "token_verifier_answer_invalid", what);
      assert.ok(!textOf(error).includes(echo.slice(0, 20)), what);
      return true;
    });
    assert.equal(server.bodies.length, before + 1, `${what}: asked once, and not where it leads to`);
  }
  assert.deepEqual(setup.states, [], "a verifier that says something is there");
});

Deno.test("RemoteVerifier checks claims of the answer as it checks its own: form, audience, times", async () => {
  await using server = new LoopbackServer(() => valid());
  using setup = new RemoteSetup(server.url);
  const bare = { aud: undefined, iat: undefined, exp: undefined, sub: undefined, jti: undefined };
  const cases: [Record<string, unknown>, string][] = [
    [{ hostnames: ["Bad Host"] }, "token_claims_invalid"],
    [{ hostnames: undefined }, "token_claims_invalid"],
    [{ weight: 100_000 }, "token_claims_invalid"],
    [{ exp: foreignClaims.iat + 601 }, "token_claims_invalid"],
    [{ aud: "postern-control" }, "token_wrong_audience"],
    [{ iss: "https://third.example" }, "token_wrong_issuer"],
    [{ iat: foreignClaims.iat - 200, exp: foreignClaims.iat - 100 }, "token_expired"],
    [{ iat: foreignClaims.iat + 100, exp: foreignClaims.iat + 160 }, "token_not_yet_valid"],
  ];
  for (const [claims, code] of cases) {
    server.answer = () => valid(claims);
    await refusedWith(code, setup.verify(await token({ ...bare, iss: undefined, n: code })));
  }
});

Deno.test("RemoteVerifier passes a refusal on by its code, and otherwise by token_verifier_refused", async () => {
  await using server = new LoopbackServer(() => valid());
  using setup = new RemoteSetup(server.url);
  const secretText = await token();
  const cases: [unknown, string, string | undefined][] = [
    [{ valid: false }, "token_verifier_refused", undefined],
    [{ valid: false, error: null, claims: null }, "token_verifier_refused", undefined],
    [{ valid: false, error: "token_revoked" }, "token_revoked", "token_revoked"],
    [{ valid: false, error: "token_expired" }, "token_expired", "token_expired"],
    [{ valid: false, error: "account_closed" }, "token_verifier_refused", "account_closed"],
    [
      { valid: false, error: "token_verifier_unavailable" },
      "token_verifier_refused",
      "token_verifier_unavailable",
    ],
    [{ valid: false, error: `no: ${secretText}` }, "token_verifier_refused", undefined],
    [{ valid: false, error: "\u001b[2J" }, "token_verifier_refused", undefined],
  ];
  for (const [answer, code, shown] of cases) {
    server.answer = () => Response.json(answer);
    await assert.rejects(setup.verify(secretText), (error) => {
      assert.ok(error instanceof PosternError);
      assert.deepEqual([error.code, error.detail.verifier_error], [code, shown]);
      assert.ok(!textOf(error).includes(secretText.slice(0, 20)));
      return true;
    });
  }
  assert.equal(server.bodies.length, cases.length, "a refusal is not kept");
  assert.deepEqual(setup.states, [], "and opens no breaker");
});

Deno.test("RemoteVerifier has no opinion of what the verifier calls unknown_issuer or unknown_key", async () => {
  await using server = new LoopbackServer(() => Response.json({ valid: false, error: "unknown_issuer" }));
  using setup = new RemoteSetup(server.url);
  assert.equal(await setup.verify(await token()), undefined);
  server.answer = () => Response.json({ valid: false, error: "unknown_key" });
  assert.equal(await setup.verify(await token()), undefined);
});

Deno.test("RemoteVerifier gives up a slow verifier with token_verifier_unavailable, within the budget of all retries", async () => {
  const slow = Promise.withResolvers<Response>();
  await using server = new LoopbackServer(() => slow.promise);
  using setup = new RemoteSetup(server.url, { retries: 5, budgetMs: 9_000 });
  const asked = setup.verify(await token());
  const refused = refusedWith("token_verifier_unavailable", asked);
  const startedAt = setup.clock.now();
  await server.arrived(1);
  await setup.clock.advanceAsync(5_000);
  while (setup.clock.pending === 0) await settle();
  await setup.clock.advanceAsync(200); // the wait before the next request, jitter included
  await server.arrived(2);
  await setup.clock.advanceAsync(5_000);
  await refused;
  assert.ok(setup.clock.now() - startedAt >= 9_000);
  assert.deepEqual(setup.outcomes, ["timeout", "timeout"], "there was no time for a third");
  assert.equal(setup.clock.pending, 0);
  slow.resolve(valid());
});

Deno.test("RemoteVerifier asks again after a failure and takes the answer that comes", async () => {
  let failures = 2;
  await using server = new LoopbackServer(() =>
    failures-- > 0 ? new Response(null, { status: failures === 0 ? 429 : 503 }) : valid()
  );
  using setup = new RemoteSetup(server.url, { retries: 2 });
  const asked = setup.verify(await token());
  while (setup.outcomes.length < 3) {
    await settle();
    if (setup.outcomes.length < 3) setup.clock.advance(10);
  }
  assert.equal((await asked)!.sub, "tun_1");
  assert.deepEqual(setup.outcomes, ["server_error", "server_error", "answered"]);
});

Deno.test("RemoteVerifier asks a verifier that is gone no more until its pause is over, then once: flapping", async () => {
  await using server = new LoopbackServer(() => valid());
  using setup = new RemoteSetup(server.url);
  await server.kill();
  for (let i = 0; i < OPEN_AFTER; i++) {
    await refusedWith("token_verifier_unavailable", setup.verify(await token({ n: i })));
  }
  assert.deepEqual(setup.states, ["open"]);
  server.start();
  await refusedWith("token_verifier_unavailable", setup.verify(await token()));
  assert.equal(server.bodies.length, 0, "nobody asked");
  assert.equal(setup.outcomes.at(-1), "held_back");

  setup.clock.advance(FIRST_PAUSE_MS);
  server.answer = () => new Response(null, { status: 500 });
  await refusedWith("token_verifier_unavailable", setup.verify(await token()));
  setup.clock.advance(FIRST_PAUSE_MS);
  await refusedWith("token_verifier_unavailable", setup.verify(await token()));
  assert.equal(server.bodies.length, 1, "the pause is longer after a probe that failed");
  setup.clock.advance(FIRST_PAUSE_MS);
  server.answer = () => valid();
  assert.equal((await setup.verify(await token()))!.sub, "tun_1");
  assert.deepEqual(setup.states, ["open", "half_open", "open", "half_open", "closed"]);
});

Deno.test("RemoteVerifier keeps valid claims for the time of its cache, and never beyond their expiry", async () => {
  await using server = new LoopbackServer(() => valid());
  using setup = new RemoteSetup(server.url, { cacheMs: 10_000 });
  const text = await token();
  await setup.verify(text);
  setup.clock.advance(9_999);
  await setup.verify(text);
  assert.equal(server.bodies.length, 1);
  setup.clock.advance(1);
  await setup.verify(text);
  assert.equal(server.bodies.length, 2);
  assert.ok(setup.outcomes.includes("cached"));

  using longer = new RemoteSetup(server.url, { cacheMs: 600_000 });
  await longer.verify(text);
  longer.clock.advance(59_999);
  await longer.verify(text);
  assert.equal(server.bodies.length, 3);
  longer.clock.advance(1);
  await longer.verify(text); // within the skew it is believed still, but asked about
  assert.equal(server.bodies.length, 4);
  longer.clock.advance(30_000);
  await refusedWith("token_expired", longer.verify(text));
  assert.equal(server.bodies.length, 4, "what has ended by its own words is not asked about");

  using none = new RemoteSetup(server.url, { cacheMs: 0 });
  await none.verify(text);
  await none.verify(text);
  assert.equal(server.bodies.length, 6);
});

Deno.test("RemoteVerifier asks once for many that wait for one token, and for each of different ones", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = new LoopbackServer(async () => {
    await gate.promise;
    return valid({ jti: undefined });
  });
  using setup = new RemoteSetup(server.url);
  const text = await token();
  const all = Promise.allSettled(Array.from({ length: 20 }, () => setup.verify(text)));
  await server.arrived(1);
  const other = setup.verify(await token({ n: 2 }));
  const refused = refusedWith("token_verifier_answer_invalid", other);
  await server.arrived(2);
  gate.resolve();
  assert.ok((await all).every(({ status }) => status === "rejected"));
  await refused;
  assert.equal(server.bodies.length, 2);
  assert.equal(setup.outcomes.filter((outcome) => outcome === "joined").length, 19);
});

Deno.test("RemoteVerifier asks about a bounded number of tokens at a time: token_verifier_unavailable", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = new LoopbackServer(async () => {
    await gate.promise;
    return valid();
  });
  using setup = new RemoteSetup(server.url);
  const texts = await Promise.all(Array.from({ length: 257 }, (_, n) => token({ n })));
  const all = Promise.allSettled(texts.map((text) => setup.verify(text)));
  while (!setup.outcomes.includes("held_back")) await settle();
  gate.resolve();
  const codes = (await all).filter((one) => one.status === "rejected").map(({ reason }) => codeOf(reason));
  assert.deepEqual(codes, ["token_verifier_unavailable"]);
});

function endless(): Response {
  const piece = new Uint8Array(8_192).fill(0x20);
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece) }), {
    headers: { "content-type": "application/json" },
  });
}

/** Everything that a log could write of it. */
function textOf(error: unknown): string {
  const parts: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    parts.push(String(cause.stack), cause.message, JSON.stringify((cause as PosternError).detail ?? {}));
  }
  return parts.join("\n");
}
