import assert from "node:assert/strict";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { utf8 } from "../../../src/bytes/mod.ts";
import { CipherState, SUITE_25519_CHACHAPOLY_SHA256 as SUITE } from "../../../src/crypto/mod.ts";
import { code } from "./pair.ts";

const key = new Uint8Array(32).fill(7);
const ad = utf8("associated");
const text = utf8("plaintext");

function keyed(): CipherState {
  const state = new CipherState(SUITE.cipher);
  state.initializeKey(key);
  return state;
}

Deno.test("CipherState passes bytes on unchanged without a key", () => {
  const state = new CipherState(SUITE.cipher);
  assert.equal(state.hasKey, false);
  assert.deepEqual(state.encryptWithAd(ad, text), text);
  assert.deepEqual(state.decryptWithAd(ad, text), text);
});

Deno.test("CipherState puts the nonce as 4 zero bytes and a little-endian counter", () => {
  const state = keyed();
  state.setNonce(0x0102030405060708n);
  const nonce = Uint8Array.of(0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1);
  assert.deepEqual(state.encryptWithAd(ad, text), chacha20poly1305(key, nonce, ad).encrypt(text));
});

Deno.test("CipherState agrees with another ChaCha20-Poly1305 on any input and refuses any flipped byte", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 100 }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 2n }),
      fc.nat(),
      (plaintext, data, counter, place) => {
        const nonce = new Uint8Array(12);
        new DataView(nonce.buffer).setBigUint64(4, counter, true);
        const sealed = SUITE.cipher.encrypt(key, counter, data, plaintext);
        assert.deepEqual(sealed, chacha20poly1305(key, nonce, data).encrypt(plaintext));
        assert.deepEqual(SUITE.cipher.decrypt(key, counter, data, sealed), plaintext);
        sealed[place % sealed.length] ^= 0x40;
        assert.equal(SUITE.cipher.decrypt(key, counter, data, sealed), null);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("CipherState.decryptWithAd() keeps its nonce when a message is refused", () => {
  const [sender, receiver] = [keyed(), keyed()];
  const sealed = sender.encryptWithAd(ad, text);
  assert.throws(() => receiver.decryptWithAd(new Uint8Array(0), sealed), code("noise_decrypt_failed"));
  assert.throws(() => receiver.decryptWithAd(ad, sealed.subarray(0, 15)), code("noise_decrypt_failed"));
  assert.deepEqual(receiver.decryptWithAd(ad, sealed), text);
});

Deno.test("CipherState refuses to use the nonce that rekeying is made of", () => {
  const state = keyed();
  state.setNonce(2n ** 64n - 2n);
  state.encryptWithAd(ad, text);
  assert.throws(() => state.encryptWithAd(ad, text), code("nonce_exhausted"));
  assert.throws(() => state.decryptWithAd(ad, text), code("nonce_exhausted"));
});

Deno.test("CipherState.rekey() makes the key from 32 zeros under nonce 2^64-1 and keeps the nonce", () => {
  const state = keyed();
  state.encryptWithAd(ad, text);
  state.rekey();
  const nonce = new Uint8Array(12).fill(0xff, 4);
  const next = chacha20poly1305(key, nonce).encrypt(new Uint8Array(32)).subarray(0, 32);
  assert.deepEqual(
    state.encryptWithAd(ad, text),
    chacha20poly1305(next, Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), ad).encrypt(text),
  );
});

Deno.test("CipherState.wipe() removes the key, and rekey() without one does nothing", () => {
  const state = keyed();
  state.wipe();
  state.rekey();
  assert.equal(state.hasKey, false);
  assert.notDeepEqual(key, new Uint8Array(32));
});
