import assert from "node:assert/strict";
import { derivePassword, formatPasswordHash } from "../../src/crypto/mod.ts";
import { BasicAuth } from "../../src/edge/basic_auth.ts";
import { HashQueue, MAX_QUEUED_HASHES } from "../../src/edge/hash_queue.ts";
import type { Refusal } from "../../src/edge/refusal.ts";
import { HeaderList } from "../../src/http1/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const salt = new Uint8Array(16).fill(3);
const hashOf = async (password: string) =>
  formatPasswordHash({ logN: 14, salt, hash: await derivePassword(password, { logN: 14, salt }) });
const ANN = { name: "ann", hash: await hashOf("open: sesame") };
const ZOË = { name: "zoë", hash: await hashOf("pässword") };

/** Counts the hashes that were asked for. */
class CountingQueue extends HashQueue {
  count = 0;
  override run<T>(service: object, work: () => Promise<T>): Promise<T> | undefined {
    this.count++;
    return super.run(service, work);
  }
}

function setup(hashes: HashQueue = new CountingQueue(1)) {
  const clock = new VirtualClock();
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  const auth = new BasicAuth({ realm: "Shop", users: [ANN, ZOË] }, { clock, random, hashes });
  const ask = (authorization: readonly string[], ip = "192.0.2.1", connection?: object) =>
    auth.admit(ip, HeaderList.from(authorization.map((value) => ["Authorization", value])), connection);
  return { clock, hashes: hashes as CountingQueue, ask };
}

const basic = (text: string) => [
  `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}`,
];
const codeOf = async (refusal: Promise<Refusal | undefined> | Refusal | undefined) =>
  (await refusal)?.code ?? "admitted";

Deno.test("BasicAuth admits a user with the right password, hashes it once, and then answers without a promise", async () => {
  const { ask, hashes } = setup();
  assert.equal(await codeOf(ask(basic("ann:open: sesame"))), "admitted");
  assert.equal(await codeOf(ask(basic("zoë:pässword"))), "admitted");
  assert.equal(ask(basic("ann:open: sesame"), "198.51.100.1"), undefined);
  assert.equal(ask([basic("ann:open: sesame")[0].replace("Basic ", "bAsIc   ")]), undefined);
  assert.equal(hashes.count, 2);
});

Deno.test("BasicAuth challenges who shows nothing, and refuses what is wrong or out of form", async () => {
  const { ask } = setup();
  const challenge = [["WWW-Authenticate", 'Basic realm="Shop", charset="UTF-8"']];
  assert.deepEqual(ask([]), { code: "credentials_required", headers: challenge });
  assert.deepEqual(await ask(basic("ann:wrong")), { code: "credentials_refused", headers: challenge });
  for (
    const shown of [
      basic("nobody:open: sesame"),
      basic("ann"),
      basic(":"),
      basic("Ann:open: sesame"),
      ["Bearer abc"],
      ["Basic"],
      ["Basic !!!"],
      ["Basic YQ"],
      [`Basic ${"A".repeat(100_000)}`],
      basic(`ann:${"x".repeat(600)}`),
      [...basic("ann:open: sesame"), ...basic("ann:open: sesame")],
    ]
  ) assert.equal(await codeOf(ask(shown)), "credentials_refused", JSON.stringify(shown).slice(0, 80));
});

Deno.test("BasicAuth hashes nothing for an address that has failed too often, and lets others and earlier users in", async () => {
  const { ask, hashes, clock } = setup();
  assert.equal(await codeOf(ask(basic("ann:open: sesame"))), "admitted");
  for (let n = 0; n < 10; n++) assert.equal(await codeOf(ask(basic(`ann:${n}`))), "credentials_refused");
  assert.equal(hashes.count, 11);
  assert.deepEqual(await ask(basic("ann:11")), {
    code: "credentials_rate_limited",
    headers: [["Retry-After", "10"]],
  });
  assert.equal(
    await codeOf(ask(basic("zoë:pässword"))),
    "credentials_rate_limited",
    "even with the right one",
  );
  assert.equal(hashes.count, 11);
  assert.equal(ask(basic("ann:open: sesame")), undefined, "verified before");
  assert.equal(await codeOf(ask(basic("zoë:pässword"), "192.0.2.2")), "admitted");
  clock.advance(10_000);
  assert.equal(await codeOf(ask(basic("ann:12"))), "credentials_refused");
});

Deno.test("BasicAuth hashes once for requests that show the same at the same time, and a success costs no failure", async () => {
  const { ask, hashes } = setup();
  const right = basic("ann:open: sesame");
  assert.deepEqual(await Promise.all([ask(right), ask(right), ask(right)]), [
    undefined,
    undefined,
    undefined,
  ]);
  assert.equal(hashes.count, 1);
  for (let n = 0; n < 10; n++) assert.equal(await codeOf(ask(basic(`ann:${n}`))), "credentials_refused");
});

Deno.test("BasicAuth says credentials_busy when too many passwords wait, and books no failure", async () => {
  const hashes = new HashQueue(1);
  const gate = Promise.withResolvers<void>();
  const blocked = Array.from({ length: MAX_QUEUED_HASHES + 2 }, () => hashes.run({}, () => gate.promise));
  const { ask } = setup(hashes);
  for (let n = 0; n < 20; n++) {
    assert.deepEqual(await ask(basic("ann:open: sesame")), {
      code: "credentials_busy",
      headers: [["Retry-After", "1"]],
    });
  }
  gate.resolve();
  await Promise.all(blocked);
  assert.equal(await codeOf(ask(basic("ann:open: sesame"))), "admitted");
});

Deno.test("BasicAuth knows on one connection what that connection has shown, and looks again at anything else", async () => {
  const { ask } = setup();
  const connection = {};
  const right = basic("ann:open: sesame");
  assert.equal(await codeOf(ask(right, "192.0.2.1", connection)), "admitted");
  assert.equal(ask(right, "192.0.2.1", connection), undefined);
  assert.equal(await codeOf(ask([...right, ...right], "192.0.2.1", connection)), "credentials_refused");
  assert.equal(await codeOf(ask(basic("ann:other"), "192.0.2.1", connection)), "credentials_refused");
  assert.equal(await codeOf(ask([], "192.0.2.1", connection)), "credentials_required");
});

Deno.test("BasicAuth counts the failures of an address over all services: credentials_rate_limited, whichever it tries next", async () => {
  const hashes = new CountingQueue(1);
  for (let n = 0; n < 4; n++) {
    const { ask } = setup(hashes);
    for (let m = 0; m < 10; m++) assert.equal(await codeOf(ask(basic(`ann:${m}`))), "credentials_refused");
  }
  const { ask } = setup(hashes);
  assert.deepEqual(await ask(basic("ann:open: sesame")), {
    code: "credentials_rate_limited",
    headers: [["Retry-After", "3"]],
  });
  assert.equal(hashes.count, 40);
  assert.equal(await codeOf(ask(basic("ann:open: sesame"), "192.0.2.2")), "admitted");
});
