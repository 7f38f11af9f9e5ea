import assert from "node:assert/strict";
import { fromHex } from "../../src/bytes/mod.ts";
import { hkdfSha256, hkdfSha256Expand, hkdfSha256Extract } from "../../src/crypto/mod.ts";

const ikm = new Uint8Array(22).fill(0x0b);

Deno.test("hkdfSha256() gives the output of RFC 5869 A.1", () => {
  const okm = hkdfSha256(fromHex("000102030405060708090a0b0c"), ikm, 42, fromHex("f0f1f2f3f4f5f6f7f8f9"));
  const expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
  assert.equal(okm.toHex(), expected);
});

Deno.test("hkdfSha256() gives the output of RFC 5869 A.3, without salt and info", () => {
  const expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
  assert.equal(hkdfSha256(new Uint8Array(0), ikm, 42).toHex(), expected);
});

Deno.test("hkdfSha256Extract() and hkdfSha256Expand() together are hkdfSha256()", () => {
  const [salt, info] = [fromHex("000102"), fromHex("f0f1")];
  for (const bytes of [1, 31, 32, 33, 96]) {
    assert.deepEqual(
      hkdfSha256Expand(hkdfSha256Extract(salt, ikm), info, bytes),
      hkdfSha256(salt, ikm, bytes, info),
    );
  }
});
