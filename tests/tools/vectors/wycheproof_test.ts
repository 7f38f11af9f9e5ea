import assert from "node:assert/strict";
import { MalformedVectors, type VectorResult } from "../../../tools/vectors/result.ts";
import { wycheproofVectors } from "../../../tools/vectors/wycheproof.ts";

interface Test {
  result: string;
  [field: string]: unknown;
}
interface File {
  algorithm: string;
  testGroups: { type: string; curve?: string; parameterSet?: string; tests: Test[] }[];
}

const FILES = {
  chacha20_poly1305: 17,
  x25519: 6,
  hkdf_sha256: 6,
  mlkem_768: 4,
  mlkem_768_keygen: 1,
  mlkem_768_encaps: 3,
};

function read(name: string): File {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../vectors/wycheproof_${name}.json`, import.meta.url)));
}

function run(file: object): VectorResult[] {
  return [...wycheproofVectors.run(file)];
}

function outcomes(file: object): string[] {
  return run(file).map(({ outcome }) => outcome);
}

Deno.test("wycheproofVectors passes AEAD, XDH, HKDF and ML-KEM vectors of other implementations", () => {
  for (const [name, count] of Object.entries(FILES)) {
    const file = read(name);
    assert.ok(wycheproofVectors.recognises(file));
    assert.deepEqual(outcomes(file), Array(count).fill("passed"), name);
  }
});

Deno.test("wycheproofVectors fails a valid test when one of its bytes differs", () => {
  const fields = {
    chacha20_poly1305: ["key", "iv", "aad", "msg", "ct", "tag"],
    x25519: ["public", "private", "shared"],
    hkdf_sha256: ["ikm", "salt", "info", "okm"],
    mlkem_768: ["seed", "ek", "c", "K"],
    mlkem_768_keygen: ["seed", "ek", "dk"],
    mlkem_768_encaps: ["ek", "m", "c", "K"],
  };
  for (const [name, names] of Object.entries(fields)) {
    const file = read(name);
    const test = file.testGroups[0].tests.findLast(({ result, ...rest }) =>
      result === "valid" && names.every((field) => rest[field] !== "")
    )!;
    for (const field of names) {
      const text = test[field] as string;
      // The second byte: X25519 does not look at some bits of the first and the last.
      const changed = text.slice(0, 2) + (text[2] === "0" ? "1" : "0") + text.slice(3);
      file.testGroups[0].tests = [{ ...test, [field]: changed }];
      assert.deepEqual(outcomes(file), ["failed"], `${name} ${field}`);
    }
  }
});

Deno.test("wycheproofVectors fails an invalid test that is taken and an acceptable one with other bytes", () => {
  for (const name of Object.keys(FILES)) {
    const file = read(name);
    file.testGroups[0].tests = file.testGroups[0].tests
      .filter(({ result }) => result === "valid").slice(0, 1)
      .map((test) => ({ ...test, result: "invalid" }));
    assert.deepEqual(outcomes(file), ["failed"], name);
  }
  const file = read("x25519");
  file.testGroups[0].tests = [{
    ...file.testGroups[0].tests[0],
    result: "acceptable",
    shared: "00".repeat(32),
  }];
  assert.deepEqual(outcomes(file), ["failed"]);
});

Deno.test("wycheproofVectors skips what the product has not, and says what", () => {
  const reasons = (file: object) => run(file).map(({ outcome, reason }) => `${outcome}: ${reason}`)[0];
  assert.equal(reasons({ ...read("chacha20_poly1305"), algorithm: "AES-GCM" }), "skipped: no AES-GCM");
  assert.equal(reasons({ ...read("hkdf_sha256"), algorithm: "HKDF-SHA-1" }), "skipped: no HKDF-SHA-1");
  const xdh = read("x25519");
  xdh.testGroups[0].curve = "curve448";
  assert.equal(reasons(xdh), "skipped: no curve448");
  xdh.testGroups[0].type = "XdhPemComp";
  assert.equal(reasons(xdh), "skipped: no tests of type XdhPemComp");
  const kem = read("mlkem_768");
  kem.testGroups[0].parameterSet = "ML-KEM-1024";
  assert.equal(reasons(kem), "skipped: no ML-KEM-1024");
});

Deno.test("wycheproofVectors refuses malformed files and says where", () => {
  const group = { type: "HkdfTest" };
  const test = { tcId: 1, result: "valid", ikm: "00", salt: "", info: "", size: 1, okm: "00" };
  const file = (tests: unknown) => ({ algorithm: "HKDF-SHA-256", testGroups: [{ ...group, tests }] });
  const cases: [object, RegExp][] = [
    [{ testGroups: [] }, /algorithm is not a string/],
    [{ algorithm: "HKDF-SHA-256", testGroups: [] }, /no tests/],
    [{ algorithm: "HKDF-SHA-256", testGroups: [{ tests: [] }] }, /testGroups\[0\]\.type is not a string/],
    [file([{ ...test, result: "perhaps" }]), /tests\[0\]\.result is neither/],
    [file([{ ...test, tcId: "1" }]), /tcId is not a whole number/],
    [file([{ ...test, size: -1 }]), /size is not a whole number/],
    [file([{ ...test, ikm: "0" }]), /ikm is not hex/],
  ];
  for (const [malformed, pattern] of cases) {
    assert.throws(
      () => run(malformed),
      (error) => error instanceof MalformedVectors && pattern.test(error.message),
    );
  }
});
