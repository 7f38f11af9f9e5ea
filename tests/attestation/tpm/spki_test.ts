import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { concat, fromBase64Url, fromHex, toHex } from "../../../src/bytes/mod.ts";
import { PosternError } from "../../../src/errors/mod.ts";
import {
  type BareKey,
  bareKeyOf,
  isOnCurve,
  keyOfSpki,
  spkiOf,
  spkiOfKey,
  type TpmCurve,
  type TpmPublic,
} from "../../../src/attestation/tpm/mod.ts";
import { mutate, seeded } from "../../support/mutation.ts";

const fields = { nameAlg: "sha256", attributes: 0, authPolicy: new Uint8Array(), symmetric: null } as const;

function eccKey(
  namedCurve: string,
): { readonly spki: Uint8Array; readonly x: Uint8Array; readonly y: Uint8Array } {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve });
  const { x, y } = publicKey.export({ format: "jwk" });
  return {
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    x: fromBase64Url(x!),
    y: fromBase64Url(y!),
  };
}

function rsaKey(
  modulusLength: 1024 | 2048 | 3072,
  publicExponent = 65_537,
): { spki: Uint8Array; key: TpmPublic } {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength, publicExponent });
  return {
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    key: {
      type: "rsa",
      ...fields,
      scheme: null,
      keyBits: modulusLength,
      exponent: publicExponent === 65_537 ? 0 : publicExponent,
      modulus: fromBase64Url(publicKey.export({ format: "jwk" }).n!),
    },
  };
}

Deno.test("spkiOf() and keyOfSpki() agree with node:crypto on P-256 and P-384", () => {
  for (const [curve, named] of [["p256", "P-256"], ["p384", "P-384"]] as const) {
    const { spki, x, y } = eccKey(named);
    const key: TpmPublic = { type: "ecc", ...fields, scheme: null, curve, x, y };
    assert.equal(toHex(spkiOf(key)), toHex(spki));
    assert.deepEqual(keyOfSpki(spki), { type: "ecc", curve, x, y });
    assert.deepEqual(bareKeyOf(key), keyOfSpki(spki));
    assert.equal(toHex(spkiOfKey(keyOfSpki(spki))), toHex(spki));
  }
});

Deno.test("spkiOf() and keyOfSpki() agree with node:crypto on RSA, whatever the exponent", () => {
  for (const { spki, key } of [rsaKey(1024), rsaKey(2048), rsaKey(3072), rsaKey(2048, 3)]) {
    assert.equal(toHex(spkiOf(key)), toHex(spki));
    assert.deepEqual(keyOfSpki(spki), bareKeyOf(key));
  }
});

Deno.test("bareKeyOf() pads coordinates that a TPM gave without leading zeros", () => {
  for (;;) {
    const key = eccKey("P-256");
    if (key.x[0] !== 0 && key.y[0] !== 0) continue;
    const short: TpmPublic = {
      type: "ecc",
      ...fields,
      scheme: null,
      curve: "p256",
      x: key.x[0] === 0 ? key.x.slice(1) : key.x,
      y: key.y[0] === 0 ? key.y.slice(1) : key.y,
    };
    assert.equal(toHex(spkiOf(short)), toHex(key.spki));
    break;
  }
});

Deno.test("bareKeyOf() refuses a point off the curve, infinity and unreduced coordinates", () => {
  const { x, y } = eccKey("P-256");
  const p = fromHex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
  const wrong = y.slice();
  wrong[31] ^= 1;
  for (const [atX, atY] of [[x, wrong], [y, x], [new Uint8Array(), new Uint8Array()], [p, y], [x, p]]) {
    const key: TpmPublic = { type: "ecc", ...fields, scheme: null, curve: "p256", x: atX, y: atY };
    assert.throws(() => bareKeyOf(key), { code: "tpm_key_off_curve" });
    const spki = spkiOfKey({ type: "ecc", curve: "p256", x: padded(atX), y: padded(atY) });
    assert.throws(() => keyOfSpki(spki), { code: "tpm_key_off_curve" });
  }
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

Deno.test("bareKeyOf() refuses a modulus that is short, small or even", () => {
  const { key } = rsaKey(2048);
  assert.ok(key.type === "rsa");
  const changed = (change: (modulus: Uint8Array) => void) => {
    const modulus = key.modulus.slice();
    change(modulus);
    return { ...key, modulus };
  };
  for (
    const wrong of [
      { ...key, modulus: key.modulus.slice(1) },
      { ...key, modulus: new Uint8Array() },
      changed((modulus) => modulus[0] = 0x7f),
      changed((modulus) => modulus[255] &= 0xfe),
    ]
  ) assert.throws(() => bareKeyOf(wrong), { code: "tpm_key_invalid" });
});

Deno.test("keyOfSpki() takes one encoding of a key: altered bytes are refused or another key", () => {
  const keys = [eccKey("P-256").spki, eccKey("P-384").spki, rsaKey(2048).spki, rsaKey(1024).spki];
  fc.assert(
    fc.property(fc.constantFrom(...keys), fc.nat(), (spki, seed) => {
      const altered = mutate(new Uint8Array(spki), seeded(seed));
      let key: BareKey;
      try {
        key = keyOfSpki(altered);
      } catch (error) {
        assert.ok(error instanceof PosternError, String(error));
        assert.match(error.code, /^tpm_key_(invalid|off_curve)$/);
        return;
      }
      assert.equal(toHex(spkiOfKey(key)), toHex(altered));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("keyOfSpki() refuses other curves, compressed points, trailing bytes, long lengths", () => {
  const { spki, x } = eccKey("P-256");
  const other = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" });
  const compressed = concat(fromHex("3039301306072a8648ce3d020106082a8648ce3d03010703220002"), x);
  const { spki: rsa } = rsaKey(2048);
  for (
    const wrong of [
      new Uint8Array(),
      new Uint8Array(other),
      eccKey("secp256k1").spki,
      compressed,
      concat(spki, Uint8Array.of(0)),
      concat(rsa, Uint8Array.of(0)),
      concat(fromHex("30830122"), rsa.subarray(4)),
      new Uint8Array(2000),
      fromHex("30"),
      fromHex("3082"),
    ]
  ) assert.throws(() => keyOfSpki(wrong), { code: "tpm_key_invalid" });
});

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(new Uint8Array(32 - bytes.length), bytes);
}
