/**
 * What control remembers of a machine's quotes: JSON in the machine's row, replaced whole by whoever names its revision. At
 * most 4 KiB: the values of one bank.
 */
import { z } from "zod";
import { maxPcr, pcrBankSchema } from "../attestation/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { tpmClockSchema } from "../policy/mod.ts";
import type { MachineRecord } from "../ports/mod.ts";

const purpose = z.enum(["channel-open", "channel-reauth"]);
const instant = z.int().min(0);
const pcr = z.string().regex(/^[0-9]{1,2}$/).refine((text) => Number(text) <= maxPcr);

const machineStateSchema = z.object({
  /** Clock of the youngest quote that was accepted; absent before the first. */
  clock: tpmClockSchema.optional(),
  /** What the last authentic quote showed, accepted or not: what a policy is learnt from. */
  shown: z.object({
    bank: pcrBankSchema,
    values: z.record(pcr, z.string().regex(/^[0-9a-f]{64,128}$/)),
    firmware: tpmClockSchema.shape.firmware,
    at: instant,
  }),
  /** Of that quote. */
  verdict: z.object({
    /** `ok`, or the code of the refusal. */
    result: z.string(),
    purpose,
    /** `policy@version` that it satisfied, or that refused it. */
    policy: z.string(),
    at: instant,
  }),
  /**
   * The code of a refusal that holds until the machine opens a channel with accepted evidence: whatever comes later on its
   * open channels is refused as well.
   */
  failed: z.string().optional(),
});
export type MachineState = Readonly<z.infer<typeof machineStateSchema>>;

/** Undefined before the machine's first quote. Throws `store_failed` on what this program cannot read. */
export function stateOf({ agentId, continuity }: Pick<MachineRecord, "agentId" | "continuity">) {
  if (continuity === undefined) return undefined;
  try {
    return machineStateSchema.parse(JSON.parse(continuity.value));
  } catch (cause) {
    throw new PosternError("store_failed", "Cannot read what a machine showed: another program wrote it", {
      cause,
      detail: { agent_id: agentId },
    });
  }
}
