/**
 * TPMS_ATTEST (Part 2, 10.12.12): what a TPM signs when it attests; quotes and certifications of a key.
 *
 * ```
 * magic u32 = tpmGenerated | type u16 | qualifiedSigner TPM2B_NAME | extraData TPM2B_DATA | clockInfo
 *   | firmwareVersion u64
 *   type 0x8018 quote     pcrSelect TPML_PCR_SELECTION | pcrDigest TPM2B_DIGEST
 *   type 0x8017 certify   name TPM2B_NAME | qualifiedName TPM2B_NAME
 * TPMS_CLOCK_INFO (10.11.1)   clock u64, ms | resetCount u32 | restartCount u32 | safe u8, 0 or 1
 * ```
 */
import { PosternError } from "../../errors/mod.ts";
import { tpmGenerated, TpmSt } from "./constants.ts";
import { maxDigestBytes, maxNameBytes } from "./hash.ts";
import type { TpmStructure } from "./octets.ts";
import { TPML_PCR_SELECTION, type TpmPcrSelection } from "./pcr_lists.ts";

/** The TPM's time. Obfuscated by the TPM unless the signing key is in the endorsement or platform hierarchy. */
export interface TpmClockInfo {
  /** Milliseconds that the TPM was powered, over all its life. */
  readonly clockMs: number;
  /** TPM resets (power cycles). */
  readonly resetCount: number;
  /** Restarts and resumes since the last reset. */
  readonly restartCount: number;
  /** False for a while after an unorderly shutdown: a greater clock may have been told before. */
  readonly safe: boolean;
}

interface AttestFields {
  /** Qualified name of the signing key. */
  readonly qualifiedSigner: Uint8Array;
  /** The caller's qualifying data. */
  readonly extraData: Uint8Array;
  readonly clockInfo: TpmClockInfo;
  /** Vendor-specific number. */
  readonly firmwareVersion: bigint;
}

export interface TpmQuoteAttest extends AttestFields {
  readonly type: "quote";
  readonly pcrSelect: readonly TpmPcrSelection[];
  readonly pcrDigest: Uint8Array;
}

export interface TpmCertifyAttest extends AttestFields {
  readonly type: "certify";
  readonly name: Uint8Array;
  readonly qualifiedName: Uint8Array;
}

export type TpmAttest = TpmQuoteAttest | TpmCertifyAttest;

/** Largest TPM2B_DATA (10.4.3): a TPMT_HA. */
export const maxExtraDataBytes = 2 + maxDigestBytes;

export const TPMS_CLOCK_INFO: TpmStructure<TpmClockInfo> = {
  name: "TPMS_CLOCK_INFO",
  read(reader) {
    const clock = reader.u64();
    // 285,000 years: nobody's clock, but what a number cannot hold must not be compared.
    if (clock > Number.MAX_SAFE_INTEGER) throw reader.malformed("its clock is out of range");
    const resetCount = reader.u32();
    const restartCount = reader.u32();
    const safe = reader.u8();
    if (safe > 1) throw reader.malformed("its safe flag is neither yes nor no");
    return { clockMs: Number(clock), resetCount, restartCount, safe: safe === 1 };
  },
  write(writer, { clockMs, resetCount, restartCount, safe }) {
    writer.u64(BigInt(clockMs)).u32(resetCount).u32(restartCount).u8(safe ? 1 : 0);
  },
};

/** `read` throws `tpm_magic_wrong` and `tpm_attest_unsupported` besides. */
export const TPMS_ATTEST: TpmStructure<TpmAttest> = {
  name: "TPMS_ATTEST",
  read(reader) {
    if (reader.u32() !== tpmGenerated) {
      throw new PosternError("tpm_magic_wrong", "Cannot trust TPMS_ATTEST: no TPM generated it");
    }
    const type = reader.u16();
    if (type !== TpmSt.attestQuote && type !== TpmSt.attestCertify) {
      throw new PosternError("tpm_attest_unsupported", "Cannot read TPMS_ATTEST: it attests something else", {
        detail: { type: `0x${type.toString(16).padStart(4, "0")}` },
      });
    }
    const fields = {
      qualifiedSigner: reader.sized(maxNameBytes),
      extraData: reader.sized(maxExtraDataBytes),
      clockInfo: TPMS_CLOCK_INFO.read(reader),
      firmwareVersion: reader.u64(),
    };
    return type === TpmSt.attestQuote
      ? {
        type: "quote",
        ...fields,
        pcrSelect: TPML_PCR_SELECTION.read(reader),
        pcrDigest: reader.sized(maxDigestBytes),
      }
      : {
        type: "certify",
        ...fields,
        name: reader.sized(maxNameBytes),
        qualifiedName: reader.sized(maxNameBytes),
      };
  },
  write(writer, attest) {
    writer.u32(tpmGenerated).u16(attest.type === "quote" ? TpmSt.attestQuote : TpmSt.attestCertify);
    writer.sized(attest.qualifiedSigner, maxNameBytes).sized(attest.extraData, maxExtraDataBytes);
    TPMS_CLOCK_INFO.write(writer, attest.clockInfo);
    writer.u64(attest.firmwareVersion);
    if (attest.type === "quote") {
      TPML_PCR_SELECTION.write(writer, attest.pcrSelect);
      writer.sized(attest.pcrDigest, maxDigestBytes);
    } else {
      writer.sized(attest.name, maxNameBytes).sized(attest.qualifiedName, maxNameBytes);
    }
  },
};
