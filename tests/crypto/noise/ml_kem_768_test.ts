import assert from "node:assert/strict";
import { mlKem768 } from "../../../src/crypto/mod.ts";
import { mlKemSubtle } from "../../reference/noise_transcript.ts";
import { code, seededRandom } from "./pair.ts";

Deno.test("mlKem768 makes the key pair of a seed as WebCrypto does", async () => {
  for (let i = 0; i < 8; i++) {
    const seed = seededRandom(`seed ${i}`)(64);
    const { publicKey } = mlKem768.generateKeyPair(() => seed.slice());
    const imported = await mlKemSubtle.importKey("raw-seed", seed, "ML-KEM-768", true, ["decapsulateBits"]);
    const theirs = await mlKemSubtle.getPublicKey(imported, ["encapsulateBits"]);
    assert.deepEqual(publicKey, new Uint8Array(await mlKemSubtle.exportKey("raw-public", theirs)));
  }
});

Deno.test("mlKem768.encapsulate() is opened by WebCrypto", async () => {
  for (let i = 0; i < 8; i++) {
    const keys = await mlKemSubtle.generateKey("ML-KEM-768", true, ["encapsulateBits", "decapsulateBits"]);
    const publicKey = new Uint8Array(await mlKemSubtle.exportKey("raw-public", keys.publicKey));
    const { ciphertext, sharedSecret } = mlKem768.encapsulate(publicKey, seededRandom(`message ${i}`));
    const theirs = await mlKemSubtle.decapsulateBits("ML-KEM-768", keys.privateKey, ciphertext);
    assert.deepEqual(sharedSecret, new Uint8Array(theirs));
  }
});

Deno.test("mlKem768.decapsulate() opens what WebCrypto encapsulated, and rejects implicitly as it does", async () => {
  const seed = seededRandom("implicit")(64);
  const { publicKey, privateKey } = mlKem768.generateKeyPair(() => seed.slice());
  const theirKey = await mlKemSubtle.importKey("raw-public", publicKey, "ML-KEM-768", true, [
    "encapsulateBits",
  ]);
  const theirPrivate = await mlKemSubtle.importKey("raw-seed", seed, "ML-KEM-768", true, ["decapsulateBits"]);
  for (let i = 0; i < 8; i++) {
    const made = await mlKemSubtle.encapsulateBits("ML-KEM-768", theirKey);
    const ciphertext = new Uint8Array(made.ciphertext);
    assert.deepEqual(mlKem768.decapsulate(privateKey, ciphertext), new Uint8Array(made.sharedKey));
    ciphertext[i * 100] ^= 1;
    const rejected = await mlKemSubtle.decapsulateBits("ML-KEM-768", theirPrivate, ciphertext);
    assert.deepEqual(mlKem768.decapsulate(privateKey, ciphertext), new Uint8Array(rejected));
    assert.notDeepEqual(new Uint8Array(rejected), new Uint8Array(made.sharedKey));
  }
});

Deno.test("mlKem768.isValidPublicKey() accepts coefficients up to 3328 and refuses 3329 to 4095 in both halves", () => {
  const { publicKey } = mlKem768.generateKeyPair(seededRandom("modulus"));
  assert.equal(mlKem768.isValidPublicKey(publicKey), true);
  for (const at of [0, 576, 1149]) {
    for (const [value, valid] of [[0, true], [3328, true], [3329, false], [4095, false]] as const) {
      const even = publicKey.slice();
      even[at] = value & 0xff;
      even[at + 1] = (even[at + 1] & 0xf0) | value >> 8;
      assert.equal(mlKem768.isValidPublicKey(even), valid, `even ${value} at ${at}`);
      const odd = publicKey.slice();
      odd[at + 1] = (odd[at + 1] & 0x0f) | (value & 0x0f) << 4;
      odd[at + 2] = value >> 4;
      assert.equal(mlKem768.isValidPublicKey(odd), valid, `odd ${value} at ${at}`);
    }
  }
  assert.equal(mlKem768.isValidPublicKey(publicKey.subarray(1)), false);
  assert.equal(mlKem768.isValidPublicKey(new Uint8Array(1185)), false);
});

Deno.test("mlKem768.encapsulate() refuses invalid public keys", () => {
  const random = seededRandom("refused");
  assert.throws(
    () => mlKem768.encapsulate(new Uint8Array(1184).fill(0xff), random),
    code("noise_bad_public_key"),
  );
});

Deno.test("mlKem768 refuses a source of randomness that returns too little", () => {
  assert.throws(() => mlKem768.generateKeyPair(() => new Uint8Array(32)), code("noise_key_malformed"));
});
