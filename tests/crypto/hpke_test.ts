import assert from "node:assert/strict";
import { fromHex, toHex, utf8 } from "../../src/bytes/mod.ts";
import {
  generateX25519KeyPair,
  HPKE_SUITE,
  hpkeOpen,
  hpkeSeal,
  x25519KeyPair,
} from "../../src/crypto/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";

/** RFC 9180 A.2.1, sequence number 0. */
const vector = {
  info: fromHex("4f6465206f6e2061204772656369616e2055726e"),
  skEm: fromHex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600"),
  skRm: fromHex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"),
  pkRm: "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
  enc: "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
  plaintext: fromHex("4265617574792069732074727574682c20747275746820626561757479"),
  aad: fromHex("436f756e742d30"),
  ciphertext: "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
};
const keys = x25519KeyPair(vector.skRm);

Deno.test("hpkeSeal() and hpkeOpen() give the outputs of RFC 9180 A.2.1", () => {
  assert.equal(toHex(keys.publicKey), vector.pkRm);
  const { enc, ciphertext } = hpkeSeal(keys.publicKey, vector, () => vector.skEm.slice());
  assert.deepEqual([toHex(enc), toHex(ciphertext)], [vector.enc, vector.ciphertext]);
  const sealed = { enc: fromHex(vector.enc), ciphertext: fromHex(vector.ciphertext) };
  assert.deepEqual(hpkeOpen(keys, sealed, vector), vector.plaintext);
});

Deno.test("HPKE_SUITE names the suite as RFC 9180 section 7 does", () => {
  assert.deepEqual([HPKE_SUITE.kemId, HPKE_SUITE.kdfId, HPKE_SUITE.aeadId], [0x20, 1, 3]);
  assert.equal(HPKE_SUITE.name, "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305");
});

Deno.test("hpkeOpen() opens nothing that another key, info, aad or byte has to do with", () => {
  const what = { info: utf8("info"), aad: utf8("aad"), plaintext: utf8("secret") };
  const sealed = hpkeSeal(keys.publicKey, what, systemRandom);
  assert.deepEqual(hpkeOpen(keys, sealed, what), what.plaintext);
  assert.equal(hpkeOpen(generateX25519KeyPair(systemRandom), sealed, what), null);
  assert.equal(hpkeOpen(keys, sealed, { ...what, info: utf8("other") }), null);
  assert.equal(hpkeOpen(keys, sealed, { ...what, aad: utf8("other") }), null);
  assert.equal(hpkeOpen(keys, { ...sealed, ciphertext: new Uint8Array(15) }, what), null);
  for (const part of ["enc", "ciphertext"] as const) {
    for (let at = 0; at < sealed[part].length; at++) {
      const altered = sealed[part].slice();
      altered[at] ^= 1;
      assert.equal(hpkeOpen(keys, { ...sealed, [part]: altered }, what), null, `${part} ${at}`);
    }
  }
});

Deno.test("hpkeSeal() refuses public keys of low order and of other lengths", () => {
  const what = { info: utf8(""), aad: utf8(""), plaintext: utf8("x") };
  for (const key of [new Uint8Array(32), new Uint8Array(31)]) {
    assert.throws(
      () => hpkeSeal(key, what, systemRandom),
      (error) => codeOf(error) === "noise_bad_public_key",
    );
  }
});
