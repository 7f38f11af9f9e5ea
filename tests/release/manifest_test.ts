import assert from "node:assert/strict";
import fc from "fast-check";
import {
  canonicalJson,
  maxManifestBytes,
  openManifest,
  readReleaseKeys,
  type ReleaseManifest,
  signManifest,
} from "../../src/release/mod.ts";
import { makeKey, makeManifest } from "./made_release.ts";

const [key, other] = [makeKey(), makeKey()];
const text = signManifest(makeManifest(), [key]);

Deno.test("openManifest() gives what was signed, however the file is laid out", () => {
  const { manifest, signatures } = JSON.parse(text);
  const turned = Object.fromEntries(Object.entries(manifest).reverse());
  assert.deepEqual(openManifest(text, [key.trusted]), makeManifest());
  assert.deepEqual(
    openManifest(JSON.stringify({ signatures, manifest: turned }), [key.trusted]),
    makeManifest(),
  );
});

Deno.test("openManifest() refuses a manifest of which anything was changed after it was signed", () => {
  const changes: Record<string, unknown>[] = [
    { version: "1.1.1" },
    { expires: "2036-01-01T00:00:00Z" },
    { rollout: { percent: 100, labels: ["x"] } },
    { next_keys: [other.trusted.text] },
    { unknown: true },
  ];
  for (const change of changes) {
    const { manifest, signatures } = JSON.parse(text);
    assert.throws(
      () => openManifest(JSON.stringify({ manifest: { ...manifest, ...change }, signatures }), [key.trusted]),
      { code: "release_signature_invalid" },
      JSON.stringify(change),
    );
  }
  const broken = JSON.parse(text);
  for (const signature of ["", "AAAA", "!", other.trusted.text]) {
    broken.signatures = [{ key: key.id, signature }];
    assert.throws(() => openManifest(JSON.stringify(broken), [key.trusted]), {
      code: "release_signature_invalid",
    });
  }
});

Deno.test("openManifest() refuses a manifest that none of the pinned keys signed, whatever key it says", () => {
  assert.throws(() => openManifest(text, [other.trusted]), { code: "release_key_unknown" });
  const forged = JSON.parse(signManifest(makeManifest(), [other]));
  forged.signatures[0].key = key.id;
  assert.throws(() => openManifest(JSON.stringify(forged), [key.trusted]), {
    code: "release_signature_invalid",
  });
});

Deno.test("openManifest() takes one signature of several, while a key is being changed", () => {
  const both = signManifest(makeManifest(), [key, other]);
  assert.deepEqual(openManifest(both, [key.trusted]), openManifest(both, [other.trusted]));
});

Deno.test("openManifest() refuses what is no manifest, also when it is signed", () => {
  const wrong: unknown[] = [
    { ...makeManifest(), format: 2 },
    { ...makeManifest(), version: "1.1" },
    { ...makeManifest(), expires: makeManifest().created },
    { ...makeManifest(), rollout: { percent: 101, labels: [] } },
    { ...makeManifest(), platforms: {} },
    { ...makeManifest(), platforms: { here: { file: "../postern", size: 1, sha256: "ab".repeat(32) } } },
    { ...makeManifest(), platforms: { here: { file: "postern", size: 1, sha256: "AB" } } },
    { ...makeManifest(), platforms: { here: { file: "postern", size: 2 ** 40, sha256: "ab".repeat(32) } } },
  ];
  for (const manifest of wrong) {
    assert.throws(() => signManifest(manifest as ReleaseManifest, [key]), {
      code: "release_manifest_malformed",
    });
  }
  for (
    const bad of [
      "",
      "[]",
      "{}",
      '{"manifest":1.5,"signatures":[{"key":"a","signature":"b"}]}',
      " ".repeat(maxManifestBytes + 1),
    ]
  ) {
    assert.throws(() => openManifest(bad, [key.trusted]), { code: "release_manifest_malformed" });
  }
  const deep = `{"manifest":${"[".repeat(5_000)}${
    "]".repeat(5_000)
  },"signatures":[{"key":"a","signature":"b"}]}`;
  assert.throws(() => openManifest(deep, [key.trusted]), { code: "release_manifest_malformed" });
});

Deno.test("canonicalJson() has one text for one value, in whatever order its keys were written", () => {
  assert.equal(
    canonicalJson({ b: 1, a: ["é\n", null, { d: true, c: "" }] }),
    '{"a":["é\\n",null,{"c":"","d":true}],"b":1}',
  );
  const value = fc.dictionary(fc.string(), fc.oneof(fc.integer(), fc.string(), fc.boolean()));
  fc.assert(fc.property(value, (object) => {
    const turned = Object.fromEntries(Object.entries(object).reverse());
    assert.equal(canonicalJson(object), canonicalJson(turned));
    assert.deepEqual({ ...JSON.parse(canonicalJson(object)) }, { ...object });
  }));
});

Deno.test("readReleaseKeys() takes Ed25519 public keys in PEM, and nothing else", () => {
  assert.deepEqual(readReleaseKeys(key.publicPem + other.publicPem).map(({ id }) => id), [key.id, other.id]);
  const wrong = [
    "",
    key.privatePem,
    key.publicPem.repeat(9),
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
  ];
  for (const pem of wrong) assert.throws(() => readReleaseKeys(pem), { code: "release_key_malformed" });
});
