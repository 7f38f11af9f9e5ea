import assert from "node:assert/strict";
import {
  FetchedKeySet,
  KEY_SET_AGE_MS,
  openKeySetFile,
  UNKNOWN_KEY_EVERY_MS,
} from "../../src/tokens/key_sets.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { LoopbackServer } from "../support/loopback_server.ts";
import { TempDir } from "../support/temp_dir.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { refusedWith } from "../identity/support.ts";
import { issuerKey } from "./support.ts";

const { jwk: first } = await issuerKey("EdDSA", "first");
const { jwk: second } = await issuerKey("ES256", "second");
const setOf = (keys: unknown[], cacheControl?: string) => () =>
  Response.json({ keys }, { headers: cacheControl === undefined ? {} : { "cache-control": cacheControl } });

class Setup implements Disposable {
  readonly clock = new VirtualClock();
  readonly client = Deno.createHttpClient({});
  readonly results: string[] = [];
  readonly keys: FetchedKeySet;

  constructor(url: string) {
    this.keys = new FetchedKeySet({
      url,
      client: this.client,
      clock: this.clock,
      log: noLog,
      onFetched: (result) => this.results.push(result),
    });
    this.keys.start();
  }

  async fetched(count: number): Promise<void> {
    while (this.results.length < count) await settle();
    await settle();
  }

  [Symbol.dispose](): void {
    this.keys.stop();
    assert.equal(this.clock.pending, 0, "nothing waits any more");
    this.client.close();
  }
}

Deno.test("openKeySetFile() reads keys, reads them again, and keeps them when it cannot: jwks_invalid", async () => {
  await using folder = await TempDir.make("jwks");
  const path = folder.file("keys.json");
  await refusedWith("jwks_invalid", openKeySetFile(path));
  await refusedWith("jwks_invalid", openKeySetFile(folder.path));
  await Deno.writeTextFile(path, JSON.stringify({ keys: [first] }));
  const keys = await openKeySetFile(path);
  assert.equal((await keys.key("first"))!.alg, "EdDSA");
  await Deno.writeTextFile(path, "{");
  await refusedWith("jwks_invalid", keys.reload());
  assert.equal((await keys.key("first"))!.alg, "EdDSA");
  await Deno.writeTextFile(path, JSON.stringify({ keys: [second] }));
  await keys.reload();
  assert.deepEqual([await keys.key("first"), (await keys.key("second"))!.alg], [undefined, "ES256"]);
  await Deno.writeTextFile(path, " ".repeat(262_145));
  await refusedWith("jwks_invalid", keys.reload());
});

Deno.test("FetchedKeySet fetches at half the age of its set, which is held within bounds", async () => {
  await using server = new LoopbackServer(setOf([first], "public, max-age=7200"));
  using setup = new Setup(server.url);
  await setup.fetched(1);
  assert.equal(setup.clock.nextAtMs, 3_600_000);
  for (
    const [header, ageMs] of [
      ["max-age=1", KEY_SET_AGE_MS.least],
      ["max-age=99999999", KEY_SET_AGE_MS.most],
      ["no-store", KEY_SET_AGE_MS.unsaid],
      ["s-max-age=5", KEY_SET_AGE_MS.unsaid],
      ["max-age=-5", KEY_SET_AGE_MS.unsaid],
    ] as const
  ) {
    server.answer = setOf([first], header);
    const count = setup.results.length;
    setup.clock.advance(setup.clock.nextAtMs! - setup.clock.now());
    await setup.fetched(count + 1);
    assert.equal(setup.clock.nextAtMs! - setup.clock.now(), ageMs / 2, header);
  }
});

Deno.test("FetchedKeySet keeps its last keys through an outage until their age is over, then token_verifier_unavailable", async () => {
  await using server = new LoopbackServer(setOf([first], "max-age=600"));
  using setup = new Setup(server.url);
  assert.equal((await setup.keys.key("first"))!.alg, "EdDSA", "the first fetch is waited for");
  await server.kill();
  for (let count = 2; setup.clock.nextAtMs! < 600_000; count++) {
    setup.clock.advance(setup.clock.nextAtMs! - setup.clock.now());
    await setup.fetched(count);
    if (setup.clock.now() < 600_000) assert.equal((await setup.keys.key("first"))!.alg, "EdDSA");
  }
  const attempts = setup.results.length;
  assert.ok(attempts > 5 && attempts < 20, `${attempts} attempts in an outage of five minutes`);
  setup.clock.advance(600_000 - setup.clock.now() - 1);
  assert.equal((await setup.keys.key("first"))!.alg, "EdDSA");
  setup.clock.advance(1);
  await refusedWith("token_verifier_unavailable", setup.keys.key("first"));

  server.start();
  setup.clock.advance(setup.clock.nextAtMs! - setup.clock.now());
  while (setup.results.at(-1) !== "ok") await settle();
  assert.equal((await setup.keys.key("first"))!.alg, "EdDSA");
});

Deno.test("FetchedKeySet takes no garbage, redirection or other status for a key set", async () => {
  await using server = new LoopbackServer(() => new Response("garbage"));
  using setup = new Setup(server.url);
  const bad: [() => Response, string][] = [
    [() => new Response("garbage"), "jwks_invalid"],
    [() => new Response(Uint8Array.of(0xff)), "jwks_invalid"],
    [() => Response.redirect("http://127.0.0.1:1/"), "token_verifier_unavailable"],
    [() => Response.json({ keys: [first] }, { status: 500 }), "token_verifier_unavailable"],
    [() => new Response(" ".repeat(262_145)), "token_verifier_unavailable"],
  ];
  await setup.fetched(1);
  for (const [answer, code] of bad) {
    server.answer = answer;
    const count = setup.results.length;
    setup.clock.advance(setup.clock.nextAtMs! - setup.clock.now());
    await setup.fetched(count + 1);
    assert.equal(setup.results.at(-1), code);
    await refusedWith("token_verifier_unavailable", setup.keys.key("first"));
  }
});

Deno.test("FetchedKeySet fetches for a key id that it does not know, now and then only", async () => {
  await using server = new LoopbackServer(setOf([first], "max-age=600"));
  using setup = new Setup(server.url);
  await setup.fetched(1);
  server.answer = setOf([first, second], "max-age=600");
  assert.equal(await setup.keys.key("second"), undefined, "it was fetched a moment ago");
  setup.clock.advance(UNKNOWN_KEY_EVERY_MS);
  const found = await Promise.all(Array.from({ length: 20 }, () => setup.keys.key("second")));
  assert.ok(found.every((key) => key?.alg === "ES256"));
  assert.equal(server.bodies.length, 2);
  for (let i = 0; i < 20; i++) assert.equal(await setup.keys.key(`made up ${i}`), undefined);
  assert.equal(server.bodies.length, 2);
});

Deno.test("FetchedKeySet that is stopped while it fetches counts nothing and comes back for nothing", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = new LoopbackServer(async () => {
    await gate.promise;
    return Response.json({ keys: [first] });
  });
  const setup = new Setup(server.url);
  await server.arrived(1);
  const asked = refusedWith("token_verifier_unavailable", setup.keys.key("first"));
  setup.keys.stop();
  setup.clock.advance(5_000); // the request's own time
  await asked;
  gate.resolve();
  assert.deepEqual(setup.results, []);
  setup[Symbol.dispose]();
});
