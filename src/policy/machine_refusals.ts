/** Refusals that tell something of the machine, and not only of the evidence or of what was asked. */
import type { ErrorCode } from "../errors/mod.ts";

const MACHINE_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "attestation_reset",
  "attestation_rollback",
  "firmware_changed",
  "firmware_refused",
  "pcr_value_refused",
]);

/** Whether authentic evidence that is refused with this code is a failure of the machine. */
export function tellsOfMachine(code: ErrorCode): boolean {
  return MACHINE_REFUSALS.has(code);
}
