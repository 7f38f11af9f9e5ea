import assert from "node:assert/strict";
import fc from "fast-check";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import {
  formatHostKey,
  isWrappedToken,
  maxWrappedTokenChars,
  parseHostKey,
  unwrapToken,
  wrapToken,
} from "../../src/pki/mod.ts";

const token = `enroll.${"a".repeat(12)}.${"b".repeat(43)}.${"c".repeat(43)}`;
const host = generateX25519KeyPair(systemRandom);

function refused(code: string, attempt: () => unknown): void {
  assert.throws(attempt, (error) => (assert.equal(codeOf(error), code), true));
}

Deno.test("unwrapToken() opens what wrapToken() made for this host, and nothing for another", () => {
  const key = parseHostKey(formatHostKey(host.publicKey));
  const wrapped = wrapToken(token, key, systemRandom);
  assert.ok(isWrappedToken(wrapped) && !isWrappedToken(token));
  assert.ok(!wrapped.includes(token.split(".")[2]) && wrapped.length <= 256, String(wrapped.length));
  assert.equal(unwrapToken(wrapped, host), token);
  assert.notEqual(wrapToken(token, key, systemRandom), wrapped);
  refused("wrapped_token_foreign", () => unwrapToken(wrapped, generateX25519KeyPair(systemRandom)));
});

Deno.test("unwrapToken() refuses every altered text", () => {
  const wrapped = wrapToken(token, host.publicKey, systemRandom);
  for (let at = "wrapped.".length; at < wrapped.length; at++) {
    const altered = `${wrapped.slice(0, at)}${wrapped[at] === "A" ? "B" : "A"}${wrapped.slice(at + 1)}`;
    assert.throws(
      () => unwrapToken(altered, host),
      (error) => /^wrapped_token_(foreign|damaged)$/.test(codeOf(error)),
    );
  }
  for (const text of ["wrapped.", "wrapped.====", `wrapped.${"A".repeat(maxWrappedTokenChars)}`]) {
    refused("wrapped_token_damaged", () => unwrapToken(text, host));
  }
});

Deno.test("parseHostKey() finds every mistyped character", () => {
  const text = formatHostKey(host.publicKey);
  assert.match(text, /^host\.[A-Za-z0-9_-]{48}$/);
  fc.assert(fc.property(fc.nat(text.length - 1), fc.constantFrom(..."ABCxyz019_-."), (at, letter) => {
    fc.pre(text[at] !== letter);
    refused("host_key_malformed", () => parseHostKey(`${text.slice(0, at)}${letter}${text.slice(at + 1)}`));
  }));
  refused("host_key_malformed", () => wrapToken(token, new Uint8Array(32), systemRandom));
});
