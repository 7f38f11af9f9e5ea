/**
 * TPML_PCR_SELECTION (Part 2, 10.9.7) and TPML_DIGEST (10.9.6).
 *
 * ```
 * TPML_PCR_SELECTION   count u32 <= 16 | count of { hash u16 | sizeofSelect u8 = 3 | bit n of byte n/8: PCR n }
 * TPML_DIGEST          count u32 <= 8  | count of TPM2B_DIGEST
 * ```
 */
import { maxPcr } from "../pcr_selection.ts";
import { TpmAlg } from "./constants.ts";
import { maxDigestBytes, readBank, type TpmBank } from "./hash.ts";
import type { TpmStructure } from "./octets.ts";

/** Some PCRs of one bank: ascending, each once. */
export interface TpmPcrSelection {
  readonly bank: TpmBank;
  readonly pcrs: readonly number[];
}

const pcrCount = maxPcr + 1;
/** PCR_SELECT_MIN of every PC Client TPM: 24 PCRs are 3 bytes. */
const selectBytes = pcrCount / 8;
/** HASH_COUNT: no TPM has more banks. */
const maxBanks = 16;
/** Most digests of a list (10.9.6). */
const maxDigests = 8;

export const TPML_PCR_SELECTION: TpmStructure<readonly TpmPcrSelection[]> = {
  name: "TPML_PCR_SELECTION",
  read(reader) {
    const count = reader.u32();
    if (count > maxBanks) {
      throw reader.malformed(`it declares ${count} banks, at most ${maxBanks} are allowed`);
    }
    return Array.from({ length: count }, () => {
      const bank = readBank(reader);
      const size = reader.u8();
      if (size !== selectBytes) {
        throw reader.malformed(`a bitmap has ${size} bytes in place of ${selectBytes}`);
      }
      const bitmap = reader.take(selectBytes);
      const pcrs: number[] = [];
      for (let pcr = 0; pcr < pcrCount; pcr++) if (bitmap[pcr >> 3] & 1 << (pcr & 7)) pcrs.push(pcr);
      return { bank, pcrs };
    });
  },
  write(writer, selections) {
    if (selections.length > maxBanks) {
      throw new RangeError("Cannot write a PCR selection: it has too many banks");
    }
    writer.u32(selections.length);
    for (const { bank, pcrs } of selections) {
      const bitmap = new Uint8Array(selectBytes);
      for (const pcr of pcrs) {
        if (!Number.isInteger(pcr) || pcr < 0 || pcr >= pcrCount) {
          throw new RangeError(`Cannot write a PCR selection: there is no PCR ${pcr}`);
        }
        bitmap[pcr >> 3] |= 1 << (pcr & 7);
      }
      writer.u16(TpmAlg[bank]).u8(selectBytes).put(bitmap);
    }
  },
};

export const TPML_DIGEST: TpmStructure<readonly Uint8Array[]> = {
  name: "TPML_DIGEST",
  read(reader) {
    const count = reader.u32();
    if (count > maxDigests) {
      throw reader.malformed(`it declares ${count} digests, at most ${maxDigests} are allowed`);
    }
    return Array.from({ length: count }, () => reader.sized(maxDigestBytes));
  },
  write(writer, digests) {
    if (digests.length > maxDigests) throw new RangeError("Cannot write a list of digests: it is too long");
    writer.u32(digests.length);
    for (const digest of digests) writer.sized(digest, maxDigestBytes);
  },
};
