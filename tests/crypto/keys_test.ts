import assert from "node:assert/strict";
import { x25519 as nobleX25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { fromHex } from "../../src/bytes/mod.ts";
import { generateX25519KeyPair, x25519, x25519KeyPair } from "../../src/crypto/mod.ts";
import { code } from "./noise/pair.ts";

Deno.test("x25519KeyPair() and x25519() give the values of RFC 7748 6.1", () => {
  const alice = x25519KeyPair(fromHex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const bob = x25519KeyPair(fromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  const shared = fromHex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  assert.deepEqual(
    alice.publicKey,
    fromHex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
  );
  assert.deepEqual(
    bob.publicKey,
    fromHex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
  );
  assert.deepEqual(x25519(alice.privateKey, bob.publicKey), shared);
  assert.deepEqual(x25519(bob.privateKey, alice.publicKey), shared);
});

Deno.test("x25519() agrees with another implementation on any keys", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(key, key, (privateKey, publicKey) => {
      let expected: Uint8Array | null = null;
      try {
        expected = nobleX25519.getSharedSecret(privateKey, publicKey);
      } catch {
        // It refuses points of low order as well.
      }
      if (expected === null) assert.throws(() => x25519(privateKey, publicKey), code("noise_bad_public_key"));
      else assert.deepEqual(x25519(privateKey, publicKey), expected);
    }),
    { numRuns: 30 },
  );
});

Deno.test("x25519() refuses public keys of the wrong length or of low order", () => {
  const { privateKey } = x25519KeyPair(new Uint8Array(32).fill(5));
  for (const bytes of [0, 31, 33]) {
    assert.throws(() => x25519(privateKey, new Uint8Array(bytes)), code("noise_bad_public_key"));
  }
  for (const first of [0, 1]) {
    const point = new Uint8Array(32);
    point[0] = first;
    assert.throws(() => x25519(privateKey, point), code("noise_bad_public_key"));
  }
});

Deno.test("x25519KeyPair() copies the private key and refuses other lengths", () => {
  const raw = new Uint8Array(32).fill(3);
  const pair = x25519KeyPair(raw);
  raw.fill(0);
  assert.deepEqual(pair.privateKey, new Uint8Array(32).fill(3));
  for (const bytes of [0, 31, 33, 48]) {
    assert.throws(() => x25519KeyPair(new Uint8Array(bytes)), code("noise_key_malformed"));
  }
});

Deno.test("generateX25519KeyPair() takes 32 random bytes, zeroes them, and refuses a source that returns less", () => {
  const drawn = new Uint8Array(32).fill(9);
  const pair = generateX25519KeyPair((bytes) => {
    assert.equal(bytes, 32);
    return drawn;
  });
  assert.deepEqual(pair, x25519KeyPair(new Uint8Array(32).fill(9)));
  assert.deepEqual(drawn, new Uint8Array(32));
  assert.throws(() => generateX25519KeyPair(() => new Uint8Array(16)), code("noise_key_malformed"));
});
