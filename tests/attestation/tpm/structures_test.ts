import assert from "node:assert/strict";
import fc from "fast-check";
import { codeOf, type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import { concat, fromHex, toHex } from "../../../src/bytes/mod.ts";
import {
  decodeTpm,
  encodeTpm,
  TPM2B_PUBLIC,
  tpmHash,
  TpmHr,
  TPML_DIGEST,
  TPML_PCR_SELECTION,
  tpmName,
  TpmObject,
  type TpmPublic,
  TpmReader,
  TpmRh,
  TPMS_ATTEST,
  TPMS_CLOCK_INFO,
  type TpmStructure,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
  TpmWriter,
} from "../../../src/attestation/tpm/mod.ts";
import { mutate, seeded } from "../../support/mutation.ts";
import { TPM_CASES } from "../../support/tpm_arbitraries.ts";

const x = "11".repeat(32);
const y = "22".repeat(32);
/** An attestation key as TPM2_CreatePrimary tells it, field by field. */
const akFields = {
  type: "0023",
  nameAlg: "000b",
  attributes: "00050472",
  authPolicy: "0000",
  symmetric: "0010",
  scheme: "0018000b",
  curve: "0003",
  kdf: "0010",
  x: `0020${x}`,
  y: `0020${y}`,
};
const akOf = (changes: Partial<typeof akFields> = {}) =>
  fromHex(Object.values({ ...akFields, ...changes }).join(""));
const rsaFields = {
  type: "0001",
  nameAlg: "000b",
  attributes: "000300b2",
  authPolicy: `0020${"ab".repeat(32)}`,
  symmetric: "000600800043",
  scheme: "0010",
  keyBits: "0800",
  exponent: "00000000",
  modulus: `0100${"c3".repeat(256)}`,
};
const rsaOf = (changes: Partial<typeof rsaFields> = {}) =>
  fromHex(Object.values({ ...rsaFields, ...changes }).join(""));
const quoteFields = {
  magic: "ff544347",
  type: "8018",
  signer: "0000",
  extraData: "0004aabbccdd",
  clock: "0000000000001234",
  resetCount: "00000007",
  restartCount: "00000002",
  safe: "01",
  firmware: "2019102300163636",
  select: "00000001000b03810000",
  digest: `0020${"5a".repeat(32)}`,
};
const quoteOf = (changes: Partial<typeof quoteFields> = {}) =>
  fromHex(Object.values({ ...quoteFields, ...changes }).join(""));

function refuses<T>(structure: TpmStructure<T>, bytes: Uint8Array, code: ErrorCode): void {
  assert.throws(() => decodeTpm(structure, bytes), (error) => {
    assert.ok(error instanceof PosternError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, /^Cannot /);
    return true;
  });
}

for (const { name, bytes, roundTrip, recode } of TPM_CASES) {
  Deno.test(`${name}: what is written is read again`, () => {
    fc.assert(fc.property(roundTrip, ({ value, again }) => assert.deepEqual(again, value)));
  });

  Deno.test(`${name}: a cut is truncated and a byte more is trailing, wherever`, () => {
    fc.assert(fc.property(bytes, fc.nat(), (whole, at) => {
      assert.equal(codeOfRecode(recode, concat(whole, Uint8Array.of(0))), "tpm_structure_trailing");
      assert.equal(codeOfRecode(recode, whole.subarray(0, at % whole.length)), "tpm_structure_truncated");
    }));
  });

  Deno.test(`${name}: altered bytes are refused, or they mean what they say`, () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (whole, seed) => {
        const altered = mutate(whole, seeded(seed));
        let again: Uint8Array;
        try {
          again = recode(altered);
        } catch (error) {
          assert.ok(error instanceof PosternError, String(error));
          return;
        }
        assert.deepEqual(again, altered);
      }),
      { numRuns: 1000 },
    );
  });
}

function codeOfRecode(recode: (bytes: Uint8Array) => Uint8Array, bytes: Uint8Array): ErrorCode | null {
  try {
    recode(bytes);
    return null;
  } catch (error) {
    return codeOf(error);
  }
}

Deno.test("TPMT_PUBLIC reads an attestation key field by field", () => {
  const key: TpmPublic = {
    type: "ecc",
    nameAlg: "sha256",
    attributes: TpmObject.fixedTPM | TpmObject.fixedParent | TpmObject.sensitiveDataOrigin |
      TpmObject.userWithAuth | TpmObject.noDA | TpmObject.restricted | TpmObject.sign,
    authPolicy: new Uint8Array(),
    symmetric: null,
    scheme: { algorithm: "ecdsa", hash: "sha256" },
    curve: "p256",
    x: fromHex(x),
    y: fromHex(y),
  };
  assert.deepEqual(decodeTpm(TPMT_PUBLIC, akOf()), key);
  assert.equal(toHex(encodeTpm(TPMT_PUBLIC, key)), toHex(akOf()));
  assert.equal(toHex(tpmName(key)), `000b${toHex(tpmHash("sha256", akOf()))}`);
  assert.equal(toHex(tpmName({ ...key, nameAlg: "sha384" })).slice(0, 4), "000c");
});

Deno.test("TPMT_PUBLIC reads an endorsement key of RSA with its cipher", () => {
  const key = decodeTpm(TPMT_PUBLIC, rsaOf());
  assert.equal(key.type, "rsa");
  assert.deepEqual(key.symmetric, { keyBits: 128 });
  assert.equal(key.scheme, null);
  assert.equal(key.authPolicy.length, 32);
  assert.deepEqual(decodeTpm(TPM2B_PUBLIC, concat(fromHex("013a"), rsaOf())), key);
});

Deno.test("TPMT_PUBLIC refuses other algorithms by name", () => {
  for (
    const changed of [
      akOf({ type: "0008" }),
      akOf({ nameAlg: "0012" }),
      akOf({ nameAlg: "0010" }),
      akOf({ symmetric: "001300800043" }),
      akOf({ symmetric: "000600800042" }),
      akOf({ scheme: "0014000b" }),
      akOf({ scheme: "001a000b0001" }),
      akOf({ scheme: "00180027" }),
      akOf({ curve: "0001" }),
      akOf({ curve: "0010" }),
      akOf({ kdf: "0020000b" }),
      rsaOf({ scheme: "0018000b" }),
      rsaOf({ scheme: "0015" }),
    ]
  ) refuses(TPMT_PUBLIC, changed, "tpm_algorithm_unsupported");
});

Deno.test("TPMT_PUBLIC refuses SHA-1 as name algorithm and in schemes", () => {
  for (
    const changed of [
      akOf({ nameAlg: "0004" }),
      akOf({ scheme: "00180004" }),
      rsaOf({ scheme: "00140004" }),
      rsaOf({ scheme: "00160004" }),
    ]
  ) refuses(TPMT_PUBLIC, changed, "tpm_hash_weak");
});

Deno.test("TPMT_PUBLIC refuses fields that cannot be", () => {
  for (
    const changed of [
      akOf({ attributes: "00050473" }),
      akOf({ attributes: "80050472" }),
      akOf({ authPolicy: `0041${"00".repeat(65)}` }),
      akOf({ symmetric: "000600810043" }),
      akOf({ x: `0021${"00".repeat(33)}` }),
      akOf({ y: "ffff" }),
      rsaOf({ keyBits: "0801" }),
      rsaOf({ keyBits: "0200" }),
      rsaOf({ modulus: `0101${"c3".repeat(257)}` }),
    ]
  ) refuses(TPMT_PUBLIC, changed, "tpm_structure_malformed");
});

Deno.test("TPM2B_PUBLIC refuses a size that is not its key's", () => {
  const size = (bytes: number) => new TpmWriter().u16(bytes).bytes();
  const { length } = akOf();
  refuses(TPM2B_PUBLIC, concat(size(length - 1), akOf()), "tpm_structure_truncated");
  refuses(TPM2B_PUBLIC, concat(size(length + 1), akOf(), size(0)), "tpm_structure_trailing");
  refuses(TPM2B_PUBLIC, concat(size(length + 1), akOf()), "tpm_structure_truncated");
  refuses(TPM2B_PUBLIC, concat(size(1025), akOf()), "tpm_structure_malformed");
  refuses(TPM2B_PUBLIC, size(0), "tpm_structure_truncated");
});

Deno.test("TPMS_ATTEST reads a quote field by field", () => {
  assert.deepEqual(decodeTpm(TPMS_ATTEST, quoteOf()), {
    type: "quote",
    qualifiedSigner: new Uint8Array(),
    extraData: fromHex("aabbccdd"),
    clockInfo: { clockMs: 0x1234, resetCount: 7, restartCount: 2, safe: true },
    firmwareVersion: 0x2019102300163636n,
    pcrSelect: [{ bank: "sha256", pcrs: [0, 7] }],
    pcrDigest: fromHex("5a".repeat(32)),
  });
});

Deno.test("TPMS_ATTEST refuses what no TPM generated, other kinds, and fields that cannot be", () => {
  refuses(TPMS_ATTEST, quoteOf({ magic: "ff544348" }), "tpm_magic_wrong");
  refuses(TPMS_ATTEST, quoteOf({ type: "8019" }), "tpm_attest_unsupported");
  refuses(TPMS_ATTEST, quoteOf({ type: "0018" }), "tpm_attest_unsupported");
  for (
    const changed of [
      quoteOf({ safe: "02" }),
      quoteOf({ clock: "0020000000000000" }),
      quoteOf({ signer: `0043${"00".repeat(67)}` }),
      quoteOf({ extraData: `0043${"00".repeat(67)}` }),
      quoteOf({ select: "00000011" }),
      quoteOf({ select: "00000001000b028100" }),
      quoteOf({ select: "00000001000b0481000000" }),
      quoteOf({ digest: `0041${"00".repeat(65)}` }),
    ]
  ) refuses(TPMS_ATTEST, changed, "tpm_structure_malformed");
  refuses(TPMS_ATTEST, quoteOf({ select: "00000001000503810000" }), "tpm_algorithm_unsupported");
  // A quote's body where a certification's should be: two names of other lengths.
  refuses(TPMS_ATTEST, quoteOf({ type: "8017" }), "tpm_structure_trailing");
});

Deno.test("TPMT_SIGNATURE refuses SHA-1, other schemes, and numbers that are too long", () => {
  refuses(TPMT_SIGNATURE, fromHex("0014000400010a"), "tpm_hash_weak");
  refuses(TPMT_SIGNATURE, fromHex("0016000400010a"), "tpm_hash_weak");
  refuses(TPMT_SIGNATURE, fromHex("0018000400010a00010b"), "tpm_hash_weak");
  refuses(TPMT_SIGNATURE, fromHex("0005000b"), "tpm_algorithm_unsupported");
  refuses(TPMT_SIGNATURE, fromHex("0010"), "tpm_algorithm_unsupported");
  refuses(TPMT_SIGNATURE, fromHex(`0014000b0201${"00".repeat(513)}`), "tpm_structure_malformed");
  refuses(TPMT_SIGNATURE, fromHex(`0018000b0031${"00".repeat(49)}0000`), "tpm_structure_malformed");
});

Deno.test("TPML_DIGEST and TPML_PCR_SELECTION refuse a count before they read what it counts", () => {
  refuses(TPML_DIGEST, fromHex("00000009"), "tpm_structure_malformed");
  refuses(TPML_DIGEST, fromHex("ffffffff"), "tpm_structure_malformed");
  refuses(TPML_PCR_SELECTION, fromHex("ffffffff"), "tpm_structure_malformed");
});

Deno.test("encodeTpm() throws RangeError for what no TPM could hold", () => {
  const clock = { clockMs: 1, resetCount: 1, restartCount: 1, safe: true };
  assert.throws(() => encodeTpm(TPMS_CLOCK_INFO, { ...clock, resetCount: 2 ** 32 }), RangeError);
  assert.throws(() => encodeTpm(TPMS_CLOCK_INFO, { ...clock, restartCount: -1 }), RangeError);
  assert.throws(() => encodeTpm(TPMS_CLOCK_INFO, { ...clock, clockMs: -1 }), RangeError);
  assert.throws(() => encodeTpm(TPML_PCR_SELECTION, [{ bank: "sha256", pcrs: [24] }]), RangeError);
  assert.throws(
    () => encodeTpm(TPML_PCR_SELECTION, Array(17).fill({ bank: "sha256", pcrs: [] })),
    RangeError,
  );
  assert.throws(() => encodeTpm(TPML_DIGEST, Array(9).fill(new Uint8Array())), RangeError);
  assert.throws(() => encodeTpm(TPML_DIGEST, [new Uint8Array(65)]), RangeError);
});

Deno.test("TpmReader reads structures one after another out of a response", () => {
  const reader = new TpmReader(fromHex("0102000300010aff"), "TPM2_Response");
  assert.equal(reader.u8(), 1);
  assert.equal(reader.u8(), 2);
  assert.equal(reader.u16(), 3);
  assert.deepEqual(reader.sized(1), Uint8Array.of(10));
  assert.equal(reader.left, 1);
  assert.throws(() => reader.end(), { code: "tpm_structure_trailing" });
  assert.throws(() => reader.u16(), { code: "tpm_structure_truncated" });
});

Deno.test("TpmRh and TpmHr are the permanent handles and ranges of Part 2, 7.4 and 7.5", () => {
  assert.deepEqual(Object.values(TpmRh).map(hex), [
    "40000001",
    "40000007",
    "40000009",
    "4000000b",
    "4000000c",
  ]);
  assert.deepEqual(Object.values(TpmHr).map(hex), [
    "01000000",
    "02000000",
    "03000000",
    "80000000",
    "81000000",
  ]);
});

function hex(value: number): string {
  return toHex(new TpmWriter().u32(value).bytes());
}
