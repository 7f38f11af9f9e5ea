import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { open, seal } from "../../wasm/mod.ts";
import { ARENA_BYTES } from "../../wasm/layout.ts";

const KEY = new Uint8Array(32).fill(7);
const NONCE = new Uint8Array(12).fill(9);
const NONE = new Uint8Array();

Deno.test("seal() agrees with node:crypto, and open() with seal(), for any key, nonce, data and text", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 3000 }),
      (key, nonce, ad, plaintext) => {
        const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
        cipher.setAAD(ad, { plaintextLength: plaintext.length });
        const expected = [...cipher.update(plaintext), ...(cipher.final(), cipher.getAuthTag())];
        const sealed = seal(key, nonce, ad, plaintext);
        assert.deepEqual([...sealed], expected);
        assert.deepEqual(open(key, nonce, ad, sealed), new Uint8Array(plaintext));
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("open() throws aead_tag_mismatch for a flipped bit, other data, another nonce and a missing tag", () => {
  const sealed = seal(KEY, NONCE, NONE, new Uint8Array(40));
  const refused = { name: "PosternError", code: "aead_tag_mismatch" };
  for (let at = 0; at < sealed.length; at++) {
    const flipped = sealed.slice();
    flipped[at] ^= 1;
    assert.throws(() => open(KEY, NONCE, NONE, flipped), refused);
  }
  assert.throws(() => open(KEY, NONCE, new Uint8Array(1), sealed), refused);
  assert.throws(() => open(KEY, new Uint8Array(12), NONE, sealed), refused);
  assert.throws(() => open(KEY, NONCE, NONE, sealed.subarray(0, 15)), refused);
  assert.throws(() => open(KEY, NONCE, NONE, NONE), refused);
  assert.deepEqual(open(KEY, NONCE, NONE, sealed), new Uint8Array(40));
});

Deno.test("seal() and open() throw key_length_invalid for keys and nonces of other lengths", () => {
  const refused = { name: "PosternError", code: "key_length_invalid" };
  const text = new Uint8Array(20);
  for (
    const [key, nonce] of [[KEY.subarray(1), NONCE], [new Uint8Array(33), NONCE], [KEY, new Uint8Array(8)]]
  ) {
    assert.throws(() => seal(key, nonce, NONE, text), refused);
    assert.throws(() => open(key, nonce, NONE, text), refused);
  }
});

Deno.test("seal() and open() throw core_bounds for a message above the arena", () => {
  const huge = new Uint8Array(ARENA_BYTES + 1);
  assert.throws(() => seal(KEY, NONCE, NONE, huge), { name: "PosternError", code: "core_bounds" });
  assert.throws(() => open(KEY, NONCE, NONE, huge), { name: "PosternError", code: "core_bounds" });
});
