/** Which platform configuration registers (PCR) a quote covers: one bank, an exact set. */
import { z } from "zod";

/** Hash algorithm of a bank of PCRs. SHA-1 banks are not believed. */
export const pcrBankSchema = z.enum(["sha256", "sha384", "sha512"]);
export type PcrBank = z.infer<typeof pcrBankSchema>;

/** Highest PCR of a PC client TPM (TCG PC Client Platform TPM Profile 4.6). */
export const maxPcr = 23;

export const pcrSelectionSchema = z.strictObject({
  bank: pcrBankSchema,
  /** Ascending, without doubles. */
  pcrs: z.array(z.int().min(0).max(maxPcr)).min(1).max(maxPcr + 1).refine(
    (pcrs) => pcrs.every((pcr, at) => at === 0 || pcr > pcrs[at - 1]),
    { error: "must be ascending without doubles" },
  ),
});
export type PcrSelection = z.infer<typeof pcrSelectionSchema>;
