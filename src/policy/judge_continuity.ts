/**
 * Whether a quote continues what the same TPM told before. The counters are those of TPMS_CLOCK_INFO (TPM 2.0 Library, Part
 * 2, 10.11.1; Part 1, 36): resetCount grows when the TPM starts without saved state, restartCount when it resumes, the
 * clock runs on in milliseconds. Inside one resetCount none of them can go back, whatever the machine does. `safe` is not
 * looked at: it is false for a while after each start that was not orderly.
 *
 * ```
 *                      resetCount lower   same                          higher
 * channel-open         rollback           restart, clock, firmware      new chain
 * channel-reauth       rollback             must not go back            reset: a new handshake is needed
 * ```
 */
import { z } from "zod";
import type { EvidencePurpose, TpmInstant } from "../attestation/mod.ts";
import { PosternError } from "../errors/mod.ts";

const count = z.int().min(0).max(0xffff_ffff);

/** What a quote tells of time. */
export const tpmClockSchema = z.object({
  resetCount: count,
  restartCount: count,
  clockMs: z.int().min(0),
  /** 16 lower-case hex digits. */
  firmware: z.string().regex(/^[0-9a-f]{16}$/),
});
export type TpmClock = Readonly<z.infer<typeof tpmClockSchema>>;

export interface ContinuityFacts {
  /** What the last accepted quote left; undefined before the first. */
  readonly before: TpmClock | undefined;
  /**
   * Where the clock stood when the question was asked. Questions to several channels of a machine overlap: a quote may be
   * judged after another one that is younger, but it is never older than its question.
   */
  readonly asked: TpmInstant | undefined;
  readonly now: TpmClock;
  readonly purpose: EvidencePurpose;
}

export interface Continuity {
  /** What the next quote has to continue. */
  readonly next: TpmClock;
  /** Whether this quote begins a chain: the first, or the first since the TPM was reset. */
  readonly isNewChain: boolean;
  /** Whether the firmware is another than in the chain before. */
  readonly hasNewFirmware: boolean;
}

/** Throws `attestation_reset`, `attestation_rollback`, `firmware_changed`. */
export function judgeContinuity({ before, asked, now, purpose }: ContinuityFacts): Continuity {
  if (before === undefined) return { next: now, isNewChain: true, hasNewFirmware: false };
  if (now.resetCount < before.resetCount) throw rollback("resetCount");
  if (now.resetCount > before.resetCount) {
    if (purpose === "channel-reauth") {
      throw new PosternError(
        "attestation_reset",
        "Cannot accept quote: its TPM was reset since the last one",
        {
          detail: { resets: now.resetCount - before.resetCount },
        },
      );
    }
    return { next: now, isNewChain: true, hasNewFirmware: now.firmware !== before.firmware };
  }
  if (now.restartCount < before.restartCount) throw rollback("restartCount");
  if (now.clockMs < clockFloor(before, asked)) throw rollback("clock");
  if (now.firmware !== before.firmware) {
    throw new PosternError(
      "firmware_changed",
      "Cannot accept quote: its firmware is another, without a reset",
    );
  }
  const clockMs = Math.max(now.clockMs, before.clockMs);
  return { next: { ...now, clockMs }, isNewChain: false, hasNewFirmware: false };
}

/** What was known when the question was asked; nothing of this chain: then nothing. */
function clockFloor(before: TpmClock, asked: TpmInstant | undefined): number {
  return asked?.resetCount === before.resetCount ? Math.min(asked.clockMs, before.clockMs) : 0;
}

function rollback(counter: string): PosternError {
  return new PosternError("attestation_rollback", `Cannot accept quote: ${counter} of its TPM went back`, {
    detail: { counter },
  });
}
