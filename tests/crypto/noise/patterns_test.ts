import assert from "node:assert/strict";
import { needsLocalStatic, needsRemoteStatic, parsePattern, PATTERN_NAMES } from "../../../src/crypto/mod.ts";
import { code } from "./pair.ts";

function lines(name: string): string[] {
  return parsePattern(name).messages.map((tokens) => tokens.join(", "));
}

Deno.test("parsePattern() knows 3 one-way, 12 fundamental and 23 deferred patterns", () => {
  assert.equal(PATTERN_NAMES.length, 38);
  for (const name of PATTERN_NAMES) assert.equal(parsePattern(name).name, name);
});

Deno.test("every pattern obeys the validity rules of section 7.3", () => {
  for (const name of PATTERN_NAMES) {
    const pattern = parsePattern(name);
    const seen = new Set<string>();
    const knows = { i: new Set<string>(), r: new Set<string>() };
    if (pattern.initiatorStaticKnown) knows.i.add("s");
    if (pattern.responderStaticKnown) knows.r.add("s");
    for (const [i, tokens] of pattern.messages.entries()) {
      const own = i % 2 === 0 ? knows.i : knows.r;
      for (const token of tokens) {
        if (token === "e" || token === "s") {
          assert.ok(!own.has(token), `${name} sends ${token} twice`);
          own.add(token);
        } else {
          assert.ok(!seen.has(token), `${name} does ${token} twice`);
          assert.ok(knows.i.has(token[0]) && knows.r.has(token[1]), `${name} does ${token} without its keys`);
          seen.add(token);
        }
      }
      // Rule 4: a static key of one's own is never used alone with a key of the other side.
      if (i % 2 === 0 && seen.has("se")) assert.ok(seen.has("ee"), name);
      if (i % 2 === 0 && seen.has("ss")) assert.ok(seen.has("es"), name);
      if (i % 2 === 1 && seen.has("es")) assert.ok(seen.has("ee") || pattern.responderStaticKnown, name);
      if (i % 2 === 1 && seen.has("ss")) assert.ok(seen.has("se"), name);
    }
  }
});

Deno.test("parsePattern() places psk0 at the start of the first message and pskN at the end of the Nth", () => {
  assert.deepEqual(lines("NNpsk0"), ["psk, e", "e, ee"]);
  assert.deepEqual(lines("XXpsk3"), ["e", "e, ee, s, es", "s, se, psk"]);
  assert.deepEqual(lines("XXpsk0+psk1+psk2"), ["psk, e, psk", "e, ee, s, es, psk", "s, se"]);
  assert.equal(parsePattern("XXpsk0+psk3").psks, 2);
});

Deno.test("parsePattern() places the hfs tokens as the draft's table does", () => {
  // KK is left out: the table's line contradicts the draft's text there, which is what we follow.
  assert.deepEqual(lines("NNhfs"), ["e, e1", "e, ee, ekem1"]);
  assert.deepEqual(lines("NKhfs"), ["e, es, e1", "e, ee, ekem1"]);
  assert.deepEqual(lines("NXhfs"), ["e, e1", "e, ee, ekem1, s, es"]);
  assert.deepEqual(lines("XKhfs"), ["e, es, e1", "e, ee, ekem1", "s, se"]);
  assert.deepEqual(lines("XXhfs"), ["e, e1", "e, ee, ekem1, s, es", "s, se"]);
  assert.deepEqual(lines("KNhfs"), ["e, e1", "e, ee, ekem1, se"]);
  assert.deepEqual(lines("IKhfs"), ["e, es, e1, s, ss", "e, ee, ekem1, se"]);
  assert.deepEqual(lines("IXhfs"), ["e, e1, s", "e, ee, ekem1, se, s, es"]);
  assert.deepEqual(lines("KKhfs"), ["e, es, e1, ss", "e, ee, ekem1, se"]);
});

Deno.test("parsePattern() applies hfs and psk in either order alike", () => {
  assert.deepEqual(lines("XXhfs+psk3"), lines("XXpsk3+hfs"));
  assert.deepEqual(lines("IKhfs+psk0"), ["psk, e, es, e1, s, ss", "e, ee, ekem1, se"]);
});

Deno.test("parsePattern() refuses what it does not know or what does not fit", () => {
  for (
    const name of [
      "",
      "ZZ",
      "xx",
      "XXfallback",
      "XXpsk4",
      "XXpsk",
      "XXpsk01",
      "XXpsk3+psk3",
      "XXhfs+hfs",
      "Nhfs",
      "XX+",
      "__proto__",
    ]
  ) {
    assert.throws(() => parsePattern(name), code("noise_protocol_unsupported"), name);
  }
});

Deno.test("needsLocalStatic() and needsRemoteStatic() follow the pattern", () => {
  const xk = parsePattern("XK");
  assert.deepEqual(
    [true, false].map((initiator) => [needsLocalStatic(xk, initiator), needsRemoteStatic(xk, initiator)]),
    [[true, true], [true, false]],
  );
  const nn = parsePattern("NN");
  assert.equal(needsLocalStatic(nn, true) || needsRemoteStatic(nn, true), false);
});
