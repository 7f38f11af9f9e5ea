/** Quotes: that a TPM vouches for values of PCRs (Part 3, 18.4). */
import { concat, equalConstantTime, fromHex } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { PcrSelection } from "../pcr_selection.ts";
import type { TpmQuoteAttest } from "./attest.ts";
import { type Attested, factsOf, type TpmFacts, verifyAttested } from "./attested.ts";
import { DIGEST_BYTES, tpmHash } from "./hash.ts";

/** What PCRs are said to hold: digests in lower-case hex by PCR. */
export interface ClaimedPcrs {
  readonly bank: string;
  readonly values: Readonly<Record<string, string>>;
}

/** A quote, and what the verifier knows. */
export interface QuoteClaim extends Attested {
  /** TPMS_ATTEST. */
  readonly quote: Uint8Array;
  /** What the verifier asked for: the quote covers exactly this. */
  readonly selection: PcrSelection;
  readonly pcrs: ClaimedPcrs;
}

/** What a verified quote tells. That the PCRs hold what was claimed is told by there being facts at all. */
export interface QuoteFacts extends TpmFacts {
  readonly pcrDigest: Uint8Array;
}

/**
 * Verifies a quote. Throws, in this order:
 * - the key: what {@link checkAkPublic} throws
 * - the signature: `tpm_hash_weak`, `tpm_algorithm_unsupported`, `tpm_structure_*`, `tpm_signature_scheme_wrong`,
 *   `tpm_signature_degenerate`, `tpm_signature_invalid`
 * - the structure: `tpm_magic_wrong`, `tpm_attest_unsupported`, `tpm_structure_*`, `quote_expected`
 * - what it is bound to: `attest_signer_wrong`, `attest_nonce_empty`, `attest_nonce_wrong`
 * - what it covers: `quote_selection_empty`, `quote_selection_ambiguous`, `quote_bank_wrong`, `quote_bank_inactive`,
 *   `quote_pcrs_missing`, `quote_pcrs_unasked`
 * - the values: `pcr_bank_wrong`, `pcr_value_missing`, `pcr_value_unasked`, `pcr_value_malformed`, `pcr_digest_wrong`
 *
 * RangeError when the verifier itself asks for nothing.
 */
export function verifyQuote(claim: QuoteClaim): QuoteFacts {
  const { selection } = claim;
  if (selection.pcrs.length === 0) throw new RangeError("Cannot verify quote: no PCR was asked for");
  const { ak, attest } = verifyAttested(claim.quote, claim);
  if (attest.type !== "quote") {
    throw new PosternError("quote_expected", "Cannot accept quote: it is the certification of a key");
  }
  checkSelection(attest, selection);
  const values = valuesOf(claim.pcrs, selection);
  // Part 3, 18.4.1: hashed with the hash of the signing scheme, whatever the bank's is.
  if (!equalConstantTime(tpmHash(ak.scheme.hash, concat(...values)), attest.pcrDigest)) {
    throw new PosternError("pcr_digest_wrong", "Cannot accept quote: the TPM vouches for other PCR values");
  }
  return { ...factsOf(attest), pcrDigest: attest.pcrDigest };
}

function checkSelection({ pcrSelect }: TpmQuoteAttest, { bank, pcrs }: PcrSelection): void {
  if (pcrSelect.length === 0) {
    throw new PosternError("quote_selection_empty", "Cannot accept quote: it covers no bank of PCRs");
  }
  if (pcrSelect.length > 1) {
    throw new PosternError(
      "quote_selection_ambiguous",
      `Cannot accept quote: it covers ${pcrSelect.length} banks of PCRs in place of one`,
    );
  }
  const covered = pcrSelect[0];
  if (covered.bank !== bank) {
    throw new PosternError(
      "quote_bank_wrong",
      `Cannot accept quote: it covers bank ${covered.bank}, not ${bank}`,
      {
        detail: { bank: covered.bank, expected: bank },
      },
    );
  }
  // A TPM quotes a bank that it has not as an empty set, without an error (Part 3, 18.4.1).
  if (covered.pcrs.length === 0) {
    throw new PosternError(
      "quote_bank_inactive",
      `Cannot accept quote: bank ${bank} of its TPM is not active`,
      {
        detail: { bank },
      },
    );
  }
  const missing = pcrs.filter((pcr) => !covered.pcrs.includes(pcr));
  if (missing.length > 0) {
    throw new PosternError(
      "quote_pcrs_missing",
      `Cannot accept quote: it does not cover PCR ${missing.join(", ")}`,
      {
        detail: { pcrs: missing.join(",") },
      },
    );
  }
  const unasked = covered.pcrs.filter((pcr) => !pcrs.includes(pcr));
  if (unasked.length > 0) {
    throw new PosternError(
      "quote_pcrs_unasked",
      `Cannot accept quote: nobody asked for PCR ${unasked.join(", ")}`,
      {
        detail: { pcrs: unasked.join(",") },
      },
    );
  }
}

/** The claimed values in the order of the digest: ascending. */
function valuesOf(claimed: ClaimedPcrs, { bank, pcrs }: PcrSelection): Uint8Array[] {
  if (claimed.bank !== bank) {
    throw new PosternError("pcr_bank_wrong", `Cannot accept quote: its PCR values are not of bank ${bank}`);
  }
  const unasked = Object.keys(claimed.values).find((pcr) => !pcrs.some((asked) => String(asked) === pcr));
  if (unasked !== undefined) {
    throw new PosternError(
      "pcr_value_unasked",
      "Cannot accept quote: it comes with a value that nobody asked for",
    );
  }
  const shape = new RegExp(`^[0-9a-f]{${2 * DIGEST_BYTES[bank]}}$`);
  return [...pcrs].sort((a, b) => a - b).map((pcr) => {
    if (!Object.hasOwn(claimed.values, pcr)) {
      throw new PosternError("pcr_value_missing", `Cannot accept quote: the value of PCR ${pcr} is missing`, {
        detail: { pcr },
      });
    }
    const value = claimed.values[pcr];
    // Only the length of each keeps a digest over all of them from being split in another way.
    if (!shape.test(value)) {
      throw new PosternError(
        "pcr_value_malformed",
        `Cannot accept quote: the value of PCR ${pcr} is no ${bank} digest`,
        {
          detail: { pcr },
        },
      );
    }
    return fromHex(value);
  });
}
