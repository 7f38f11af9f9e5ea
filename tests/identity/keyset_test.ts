import assert from "node:assert/strict";
import { issueStage0, Keyset, type RotationPolicy, verifyStage0 } from "../../src/identity/mod.ts";
import { atEdge, countingRandom, nowMs, refusedWith, stage0Draft } from "./support.ts";

const hour = 3_600_000;
const policy: RotationPolicy = { rotateEveryMs: 24 * hour, publishBeforeMs: hour, retainMs: 48 * hour };
const kids = (keyset: Keyset) => keyset.jwks().keys.map((key) => key.kid);

Deno.test("Keyset.rotate() publishes a key before it signs, and keeps the old one until its tokens ended", async () => {
  const random = countingRandom();
  const keyset = await Keyset.create(nowMs, random, policy);
  const [first] = kids(keyset);
  assert.equal(keyset.nextRotationAtMs, nowMs + 23 * hour);
  assert.equal(await keyset.rotate(nowMs + 23 * hour - 1, random), false);

  assert.equal(await keyset.rotate(nowMs + 23 * hour, random), true);
  assert.equal(keyset.signingKey().kid, first);
  const second = kids(keyset)[1];
  assert.equal(keyset.nextRotationAtMs, nowMs + 24 * hour);
  assert.equal(await keyset.rotate(nowMs + 24 * hour - 1, random), false);

  assert.equal(await keyset.rotate(nowMs + 24 * hour, random), true);
  assert.equal(keyset.signingKey().kid, second);
  assert.deepEqual(kids(keyset), [second, first]);

  await keyset.rotate(nowMs + 72 * hour - 1, random);
  assert.ok(keyset.publicKey(first));
  await keyset.rotate(nowMs + 72 * hour, random);
  assert.equal(keyset.publicKey(first), undefined);
});

Deno.test("Keyset.rotate() after a long sleep still publishes for a whole period before it signs", async () => {
  const random = countingRandom();
  const keyset = await Keyset.create(nowMs, random, policy);
  const [first] = kids(keyset);
  const awake = nowMs + 1_000 * hour;
  await keyset.rotate(awake, random);
  assert.equal(keyset.signingKey().kid, first);
  await keyset.rotate(awake + hour - 1, random);
  assert.equal(keyset.signingKey().kid, first);
  await keyset.rotate(awake + hour, random);
  assert.notEqual(keyset.signingKey().kid, first);
});

Deno.test("Keyset.load() reads what record() wrote, through JSON", async () => {
  const random = countingRandom();
  const keyset = await Keyset.create(nowMs, random, policy);
  const { token } = await issueStage0(stage0Draft, keyset, { nowMs, random, ttlSeconds: 60 });
  await keyset.rotate(nowMs + 23 * hour, random);
  await keyset.rotate(nowMs + 24 * hour, random);
  const record = JSON.parse(JSON.stringify(keyset.record()));
  const copy = await Keyset.load(record, policy);
  assert.deepEqual(copy.jwks(), keyset.jwks());
  assert.equal(copy.signingKey().kid, keyset.signingKey().kid);
  assert.equal(copy.nextRotationAtMs, keyset.nextRotationAtMs);
  await verifyStage0(token, copy, atEdge);
  const other = await Keyset.create(nowMs, countingRandom(9), policy);
  await other.reload(record);
  assert.deepEqual(other.record(), keyset.record());
});

Deno.test("Keyset.load() refuses a damaged record: keyset_malformed", async () => {
  const record = (await Keyset.create(nowMs, countingRandom())).record();
  await refusedWith("keyset_malformed", Keyset.load(undefined));
  await refusedWith("keyset_malformed", Keyset.load({ ...record, version: 2 }));
  await refusedWith("keyset_malformed", Keyset.load({ ...record, current: { ...record.current, d: "AA" } }));
});

Deno.test("Keyset.jwks() shows no private part", async () => {
  const keyset = await Keyset.create(nowMs, countingRandom());
  const text = JSON.stringify(keyset.jwks());
  assert.equal(text.includes('"d"'), false);
  assert.equal(text.includes(keyset.record().current.d), false);
  assert.deepEqual(Object.keys(keyset.jwks().keys[0]).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
});
