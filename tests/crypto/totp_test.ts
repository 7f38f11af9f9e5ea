import assert from "node:assert/strict";
import { base32Of, totpCode, totpStep } from "../../src/crypto/mod.ts";
import { utf8 } from "../../src/bytes/mod.ts";

/** RFC 6238 appendix B and RFC 4226 appendix D have this secret. */
const secret = utf8("12345678901234567890");

Deno.test("totpCode() gives the codes of RFC 6238 appendix B", () => {
  for (
    const [seconds, code] of [
      [59, "94287082"],
      [1_111_111_109, "07081804"],
      [1_111_111_111, "14050471"],
      [1_234_567_890, "89005924"],
      [2_000_000_000, "69279037"],
      [20_000_000_000, "65353130"],
    ] as const
  ) assert.equal(totpCode(secret, totpStep(seconds * 1_000), 8), code);
});

Deno.test("totpCode() gives the six digits of RFC 4226 appendix D", () => {
  const codes = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489".split(" ");
  assert.deepEqual(codes.map((_, step) => totpCode(secret, step)), codes);
});

Deno.test("totpStep() changes every thirty seconds", () => {
  assert.deepEqual([0, 29_999, 30_000].map(totpStep), [0, 0, 1]);
});

Deno.test("base32Of() writes as RFC 4648 section 10 does, without padding", () => {
  const told = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map((text) => base32Of(utf8(text)));
  assert.deepEqual(told, ["", "MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"]);
});
