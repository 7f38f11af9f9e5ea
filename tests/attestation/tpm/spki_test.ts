import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { isOnCurve, spkiOf, type TpmCurve, type TpmPublic } from "../../../src/attestation/tpm/mod.ts";
import { fromBase64Url, fromHex, toHex } from "../../../src/bytes/mod.ts";

const fields = { nameAlg: "sha256", attributes: 0, authPolicy: new Uint8Array(), symmetric: null } as const;

function eccKey(curve: TpmCurve): { readonly spki: Uint8Array; readonly key: TpmPublic & { type: "ecc" } } {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: curve === "p256" ? "P-256" : "P-384" });
  const { x, y } = publicKey.export({ format: "jwk" });
  return {
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    key: { type: "ecc", ...fields, scheme: null, curve, x: fromBase64Url(x!), y: fromBase64Url(y!) },
  };
}

function rsaKey(
  keyBits: 1024 | 2048 | 3072,
  exponent = 0,
): { spki: Uint8Array; key: TpmPublic & { type: "rsa" } } {
  const options = { modulusLength: keyBits, publicExponent: exponent || 65_537 };
  const { publicKey } = generateKeyPairSync("rsa", options);
  const modulus = fromBase64Url(publicKey.export({ format: "jwk" }).n!);
  return {
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    key: { type: "rsa", ...fields, scheme: null, keyBits, exponent, modulus },
  };
}

Deno.test("spkiOf() agrees with node:crypto on P-256, P-384 and RSA, whatever the exponent", () => {
  const keys = [
    eccKey("p256"),
    eccKey("p384"),
    rsaKey(1024),
    rsaKey(2048),
    rsaKey(2048, 3),
    rsaKey(2048, 65_539),
  ];
  for (const { spki, key } of keys) assert.equal(toHex(spkiOf(key)), toHex(spki));
});

Deno.test("spkiOf() takes an exponent that is written out like one that is not", () => {
  const { spki, key } = rsaKey(1024);
  assert.equal(toHex(spkiOf({ ...key, exponent: 65_537 })), toHex(spki));
});

Deno.test("spkiOf() pads coordinates that a TPM gave without leading zeros", () => {
  for (;;) {
    const { spki, key } = eccKey("p256");
    if (key.x[0] !== 0 && key.y[0] !== 0) continue;
    const stripped = (bytes: Uint8Array) => bytes.slice(bytes.findIndex((byte) => byte !== 0));
    assert.equal(toHex(spkiOf({ ...key, x: stripped(key.x), y: stripped(key.y) })), toHex(spki));
    break;
  }
});

Deno.test("spkiOf() refuses a point off the curve, infinity and unreduced coordinates", () => {
  const { key } = eccKey("p256");
  const p = fromHex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
  const wrong = key.y.slice();
  wrong[31] ^= 1;
  const nothing = new Uint8Array();
  for (const [x, y] of [[key.x, wrong], [key.y, key.x], [nothing, nothing], [p, key.y], [key.x, p]]) {
    assert.throws(() => spkiOf({ ...key, x, y }), { code: "tpm_key_off_curve" });
  }
});

Deno.test("spkiOf() refuses a modulus that is short, small, even or a template's", () => {
  const { key } = rsaKey(2048);
  const changed = (at: number, byte: number) => {
    const modulus = key.modulus.slice();
    modulus[at] = byte;
    return { ...key, modulus };
  };
  for (
    const wrong of [
      { ...key, modulus: key.modulus.slice(1) },
      { ...key, modulus: new Uint8Array() },
      { ...key, modulus: new Uint8Array(256) },
      changed(0, 0x7f),
      changed(255, 0xfe),
    ]
  ) assert.throws(() => spkiOf(wrong), { code: "tpm_key_invalid" });
});

Deno.test("isOnCurve() knows the base points of both curves", () => {
  const points: [TpmCurve, string, string][] = [
    [
      "p256",
      "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    ],
    [
      "p384",
      "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
      "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    ],
  ];
  for (const [curve, x, y] of points) {
    assert.ok(isOnCurve(curve, fromHex(x), fromHex(y)), curve);
    assert.ok(!isOnCurve(curve, fromHex(y), fromHex(x)), curve);
  }
});
