/**
 * What counts for machines that no policy is assigned to. Their firmware and boot loader have to be quoted, so that the
 * values are there to be learnt, but nothing says what is right: such a machine is labelled `baseline`, never more. Once an
 * operator has applied what was learnt from a machine, that policy names its agent id and counts instead.
 */
import type { PcrPolicy } from "./pcr_policy.ts";

/** PCRs 0 to 7 are extended by firmware and boot loader (TCG PC Client Platform Firmware Profile 3.3.4). */
const firmwarePcrs = [0, 1, 2, 3, 4, 5, 6, 7];

export const baseline: PcrPolicy = Object.freeze({
  name: "baseline",
  version: 1,
  bank: "sha256",
  pcrs: Object.fromEntries(firmwarePcrs.map((pcr) => [pcr, "any" as const])),
  labels: [],
});
