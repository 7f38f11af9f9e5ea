/** Any TPM structure that the codec can hold, for properties and fuzzing. */
import fc from "fast-check";
import { maxPcr } from "../../src/attestation/mod.ts";
import {
  decodeTpm,
  DIGEST_BYTES,
  encodeTpm,
  FIELD_BYTES,
  maxDigestBytes,
  maxExtraDataBytes,
  maxNameBytes,
  TPM2B_PUBLIC,
  type TpmBank,
  type TpmCurve,
  type TpmHash,
  TPML_DIGEST,
  TPML_PCR_SELECTION,
  TpmObject,
  TPMS_ATTEST,
  TPMS_CLOCK_INFO,
  type TpmStructure,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
} from "../../src/attestation/tpm/mod.ts";

/** Like `fc.record`, of plain objects: a null prototype is no part of a structure. */
function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true });
}

const hash = fc.constantFrom<TpmHash>("sha256", "sha384", "sha512");
const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength });
const u32 = fc.nat(0xffff_ffff);

const commonFields = {
  nameAlg: hash,
  attributes: fc.subarray(Object.values(TpmObject)).map((bits) => bits.reduce<number>((a, b) => a | b, 0)),
  authPolicy: bytesUpTo(maxDigestBytes),
  symmetric: fc.option(record({ keyBits: fc.constantFrom(128 as const, 192 as const, 256 as const) })),
};

const rsaPublic = fc.constantFrom(1024 as const, 2048 as const, 3072 as const, 4096 as const).chain((
  keyBits,
) =>
  record({
    type: fc.constant("rsa" as const),
    ...commonFields,
    scheme: fc.option(record({ algorithm: fc.constantFrom("rsassa" as const, "rsapss" as const), hash })),
    keyBits: fc.constant(keyBits),
    exponent: u32,
    modulus: bytesUpTo(keyBits / 8),
  })
);

const eccPublic = fc.constantFrom<TpmCurve>("p256", "p384").chain((curve) =>
  record({
    type: fc.constant("ecc" as const),
    ...commonFields,
    scheme: fc.option(record({ algorithm: fc.constant("ecdsa" as const), hash })),
    curve: fc.constant(curve),
    x: bytesUpTo(FIELD_BYTES[curve]),
    y: bytesUpTo(FIELD_BYTES[curve]),
  })
);

const tpmPublic = fc.oneof(rsaPublic, eccPublic);

const clockInfo = record({
  clockMs: fc.maxSafeNat(),
  resetCount: u32,
  restartCount: u32,
  safe: fc.boolean(),
});

const pcrSelections = fc.array(
  record({
    bank: fc.constantFrom(...Object.keys(DIGEST_BYTES) as TpmBank[]),
    pcrs: fc.subarray(Array.from({ length: maxPcr + 1 }, (_, pcr) => pcr)),
  }),
  { maxLength: 16 },
);

const attestFields = {
  qualifiedSigner: bytesUpTo(maxNameBytes),
  extraData: bytesUpTo(maxExtraDataBytes),
  clockInfo,
  firmwareVersion: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
};

const attest = fc.oneof(
  record({
    type: fc.constant("quote" as const),
    ...attestFields,
    pcrSelect: pcrSelections,
    pcrDigest: bytesUpTo(maxDigestBytes),
  }),
  record({
    type: fc.constant("certify" as const),
    ...attestFields,
    name: bytesUpTo(maxNameBytes),
    qualifiedName: bytesUpTo(maxNameBytes),
  }),
);

const signature = fc.oneof(
  record({
    algorithm: fc.constantFrom("rsassa" as const, "rsapss" as const),
    hash,
    signature: bytesUpTo(512),
  }),
  record({ algorithm: fc.constant("ecdsa" as const), hash, r: bytesUpTo(48), s: bytesUpTo(48) }),
);

const digests = fc.array(bytesUpTo(maxDigestBytes), { maxLength: 8 });

/** A structure and its values, with the type that joins them hidden. */
export interface TpmCase {
  readonly name: string;
  /** The bytes of any value. */
  readonly bytes: fc.Arbitrary<Uint8Array<ArrayBuffer>>;
  /** Any value, and what its bytes are read as. */
  readonly roundTrip: fc.Arbitrary<{ readonly value: unknown; readonly again: unknown }>;
  /** Reads and writes again. Throws what reading throws. */
  recode(bytes: Uint8Array): Uint8Array;
}

function tpmCase<T>(structure: TpmStructure<T>, values: fc.Arbitrary<T>): TpmCase {
  return {
    name: structure.name,
    bytes: values.map((value) => encodeTpm(structure, value)),
    roundTrip: values.map((value) => ({ value, again: decodeTpm(structure, encodeTpm(structure, value)) })),
    recode: (bytes) => encodeTpm(structure, decodeTpm(structure, bytes)),
  };
}

/** Every structure of the codec. */
export const TPM_CASES: readonly TpmCase[] = [
  tpmCase(TPMT_PUBLIC, tpmPublic),
  tpmCase(TPM2B_PUBLIC, tpmPublic),
  tpmCase(TPMS_ATTEST, attest),
  tpmCase(TPMS_CLOCK_INFO, clockInfo),
  tpmCase(TPMT_SIGNATURE, signature),
  tpmCase(TPML_PCR_SELECTION, pcrSelections),
  tpmCase(TPML_DIGEST, digests),
];
