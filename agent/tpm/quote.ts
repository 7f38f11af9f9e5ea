/** TPM2_PCR_Read (Part 3, 22.4) and TPM2_Quote (18.4), and how the two are made to agree. */
import {
  decodeTpm,
  encodeTpm,
  TpmAlg,
  tpmHash,
  TPML_DIGEST,
  TPML_PCR_SELECTION,
  type TpmPcrSelection,
  TpmRh,
  TPMS_ATTEST,
  TPMT_SIGNATURE,
  TpmWriter,
} from "../../src/attestation/tpm/mod.ts";
import { concat, equalConstantTime } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { readBanks } from "./capability.ts";
import type { TpmTurn } from "./turn.ts";

/** Attempts to read PCRs, and to read and quote them, without one being extended in between. */
const MAX_ATTEMPTS = 8;
/** Largest TPMS_ATTEST and TPM2B_DATA that TPMs make. */
const MAX_ATTEST_BYTES = 1_024;
const MAX_DATA_BYTES = 66;

/** Values by PCR, in ascending order. */
export type PcrValues = ReadonlyMap<number, Uint8Array<ArrayBuffer>>;

export interface TpmQuote {
  /** TPMS_ATTEST. */
  readonly quote: Uint8Array<ArrayBuffer>;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array<ArrayBuffer>;
  /** What the quote covers, and no more. */
  readonly values: PcrValues;
}

/**
 * A quote with the values that it covers. Throws `tpm_pcr_bank_inactive` when the TPM does not have these PCRs in this bank:
 * it would sign an empty selection without a word; `tpm_pcrs_unstable` when PCRs change all the time.
 * @param hash of the key's scheme, which the digest is made with
 */
export async function quotePcrs(
  turn: TpmTurn,
  key: { readonly handle: number; readonly hash: "sha256" | "sha384" | "sha512" },
  selection: TpmPcrSelection,
  qualifyingData: Uint8Array,
): Promise<TpmQuote> {
  const active = (await readBanks(turn)).get(selection.bank) ?? [];
  const missing = selection.pcrs.find((pcr) => !active.includes(pcr));
  if (missing !== undefined) {
    throw new PosternError(
      "tpm_pcr_bank_inactive",
      `Cannot quote PCR ${missing} of bank ${selection.bank}: the TPM does not keep it`,
      { detail: { bank: selection.bank, pcr: missing } },
    );
  }
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const values = await readPcrs(turn, selection);
    const { quote, signature } = await quoteOnce(turn, key.handle, selection, qualifyingData);
    const attest = decodeTpm(TPMS_ATTEST, quote);
    const digest = tpmHash(key.hash, concat(...values.values()));
    if (attest.type === "quote" && equalConstantTime(attest.pcrDigest, digest)) {
      return { quote, signature, values };
    }
  }
  throw unstable();
}

/** All PCRs of a selection at one moment: their update counter is the same from the first to the last. */
export async function readPcrs(turn: TpmTurn, selection: TpmPcrSelection): Promise<PcrValues> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const values = await readOnce(turn, selection);
    if (values !== undefined) return values;
  }
  throw unstable();
}

/** Undefined when a PCR was extended meanwhile. A TPM gives at most eight values at once. */
async function readOnce(turn: TpmTurn, { bank, pcrs }: TpmPcrSelection): Promise<PcrValues | undefined> {
  const values = new Map<number, Uint8Array<ArrayBuffer>>();
  let counter: number | undefined;
  while (values.size < pcrs.length) {
    const wanted = pcrs.filter((pcr) => !values.has(pcr));
    const parameters = encodeTpm(TPML_PCR_SELECTION, [{ bank, pcrs: wanted }]);
    const part = await turn.run({ name: "pcrRead", parameters }, (reader) => ({
      counter: reader.u32(),
      selections: TPML_PCR_SELECTION.read(reader),
      digests: TPML_DIGEST.read(reader),
    }));
    counter ??= part.counter;
    if (part.counter !== counter) return undefined;
    const given = part.selections.flatMap((each) => each.bank === bank ? each.pcrs : []);
    if (
      given.length === 0 || given.length !== part.digests.length || given.some((pcr) => !wanted.includes(pcr))
    ) {
      throw new PosternError("tpm_response_invalid", "Cannot read PCRs: the TPM answers with others");
    }
    for (const [at, pcr] of given.entries()) values.set(pcr, new Uint8Array(part.digests[at]));
  }
  return new Map([...values].sort(([a], [b]) => a - b));
}

function quoteOnce(
  turn: TpmTurn,
  handle: number,
  selection: TpmPcrSelection,
  qualifyingData: Uint8Array,
): Promise<{ quote: Uint8Array<ArrayBuffer>; signature: Uint8Array<ArrayBuffer> }> {
  const parameters = new TpmWriter().sized(qualifyingData, MAX_DATA_BYTES)
    .u16(TpmAlg.null) // inScheme: the key's own
    .put(encodeTpm(TPML_PCR_SELECTION, [selection]))
    .bytes();
  return turn.run({
    name: "quote",
    handles: [handle],
    authorizations: [TpmRh.password],
    parameters,
  }, (reader) => ({
    quote: reader.sized(MAX_ATTEST_BYTES),
    signature: encodeTpm(TPMT_SIGNATURE, TPMT_SIGNATURE.read(reader)),
  }));
}

function unstable(): PosternError {
  return new PosternError(
    "tpm_pcrs_unstable",
    `Cannot quote PCRs: they changed during each of ${MAX_ATTEMPTS} attempts`,
  );
}
